//! What: `compare-versions`.

use super::Job;
use crate::failure::{Exit, Failure, fail};

/// `compare-versions A OP B`
pub fn compare(job: &Job) -> Result<Exit, Failure> {
    let (a, b) = (parse(&job.words[0])?, parse(&job.words[2])?);
    let holds = match job.words[1].as_str() {
        "<" => a < b,
        "<=" => a <= b,
        "==" => a == b,
        ">=" => a >= b,
        ">" => a > b,
        "!=" => a != b,
        other => return fail(format!("{other}: not a relational operator")),
    };
    Ok(if holds { Exit::OK } else { Exit(2) })
}

fn parse(text: &str) -> Result<[u32; 3], Failure> {
    let mut numbers = text.split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
        (Some(Ok(x)), Some(Ok(y)), Some(Ok(z)), None) => Ok([x, y, z]),
        _ => fail(format!("{text}: not an OVSDB version number in format x.y.z")),
    }
}
