//! What: commands about databases and their schemas.

use super::Job;
use super::rpc::Rpc;
use crate::failure::{Exit, Failure};
use crate::json;
use crate::schema_file;
use crate::table::{Cell, Table};

/// `list-dbs`
pub async fn list_dbs(mut rpc: Rpc) -> Result<Exit, Failure> {
    for name in rpc.list_dbs().await? {
        println!("{name}");
    }
    Ok(Exit::OK)
}

/// `get-schema`
pub async fn get(job: Job, mut rpc: Rpc) -> Result<Exit, Failure> {
    let schema = rpc.schema(&job.database).await?;
    println!("{}", json::text(&schema.to_json(), job.options.style.is_pretty()));
    Ok(Exit::OK)
}

/// `get-schema-version`
pub async fn version(job: Job, mut rpc: Rpc) -> Result<Exit, Failure> {
    println!("{}", rpc.schema(&job.database).await?.version.unwrap_or_default());
    Ok(Exit::OK)
}

/// `get-schema-cksum`
pub async fn cksum(job: Job, mut rpc: Rpc) -> Result<Exit, Failure> {
    println!("{}", rpc.schema(&job.database).await?.cksum.unwrap_or_default());
    Ok(Exit::OK)
}

/// `list-tables`
pub async fn list_tables(job: Job, mut rpc: Rpc) -> Result<Exit, Failure> {
    let schema = rpc.schema(&job.database).await?;
    let mut table = Table::new(["Table"]);
    table.rows = schema.tables.keys().map(|name| vec![Cell::Text(name.clone())]).collect();
    print!("{}", table.render(&job.options.style, true));
    Ok(Exit::OK)
}

/// `list-columns [TABLE]`
pub async fn list_columns(job: Job, mut rpc: Rpc) -> Result<Exit, Failure> {
    let schema = rpc.schema(&job.database).await?;
    let wanted = job.words.first();
    let mut table = match wanted {
        Some(_) => Table::new(["Column", "Type"]),
        None => Table::new(["Table", "Column", "Type"]),
    };
    for (name, found) in schema.tables.iter().filter(|(name, _)| wanted.is_none_or(|wanted| wanted == *name)) {
        for column in &found.columns {
            let mut row = vec![Cell::Text(column.name.clone()), Cell::Json(column.kind.to_json())];
            if wanted.is_none() {
                row.insert(0, Cell::Text(name.clone()));
            }
            table.rows.push(row);
        }
    }
    print!("{}", table.render(&job.options.style, true));
    Ok(Exit::OK)
}

/// `convert SCHEMA`
pub async fn convert(job: Job, mut rpc: Rpc) -> Result<Exit, Failure> {
    let (schema, json) = schema_file::read(&job.words[0])?;
    rpc.must_call("convert", vec![schema.name.into(), json]).await?;
    Ok(Exit::OK)
}

/// `needs-conversion SCHEMA`
pub async fn needs_conversion(job: Job, mut rpc: Rpc) -> Result<Exit, Failure> {
    let (wanted, _) = schema_file::read(&job.words[0])?;
    let actual = rpc.schema(&wanted.name).await?;
    println!("{}", if actual == wanted { "no" } else { "yes" });
    Ok(Exit::OK)
}
