//! What: the side that `tracing` talks to.

use super::{Level, Vlog};
use std::fmt::Write;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata};

pub(super) struct Subscriber(pub Vlog);

impl tracing::Subscriber for Subscriber {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && Level::of(metadata.level()) <= self.0.wanted(metadata.target())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match self.0.wanted_by_any() {
            Level::Off => LevelFilter::OFF,
            Level::Emer | Level::Err => LevelFilter::ERROR,
            Level::Warn => LevelFilter::WARN,
            Level::Info => LevelFilter::INFO,
            Level::Dbg => LevelFilter::TRACE,
        })
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        let level = if text.emergency { Level::Emer } else { Level::of(event.metadata().level()) };
        let (target, message) = (event.metadata().target(), text.message + &text.fields);
        match text.limit {
            Some(per_minute) => {
                self.0.write_limited(event.metadata().callsite(), per_minute, target, level, &message);
            }
            None => self.0.write(target, level, &message),
        }
    }

    // Spans are not part of this log.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// The message, then `name=value` for each other field. A field `emer = true` raises the level; `limit = 60` lets the place
/// speak that often a minute.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
    emergency: bool,
    limit: Option<u64>,
}

impl Visit for Text {
    fn record_bool(&mut self, field: &Field, value: bool) {
        match field.name() {
            "emer" => self.emergency = value,
            _ => self.record_debug(field, &value),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "limit" => self.limit = Some(value),
            _ => self.record_debug(field, &value),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to a String cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
