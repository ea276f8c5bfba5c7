//! `DateTime`, `DateTimeOffset`, `TimeSpan` and `TimeZoneInfo`. The local zone is UTC, as in a container.

mod calendar;
mod datetime;
mod exact;
mod format;
mod offset;
mod parse;
mod span;
mod span_exact;
mod span_text;
mod tzif;
mod zone;

pub use datetime::{DateTime, DateTimeKind, days_in_month, is_leap_year_checked};
pub use offset::DateTimeOffset;
pub use span::TimeSpan;
pub use zone::TimeZone;

/// Ticks (100 ns) in a millisecond.
pub const TICKS_PER_MILLISECOND: i64 = 10_000;
/// Ticks in a second.
pub const TICKS_PER_SECOND: i64 = 10_000_000;
/// Ticks in a minute.
pub const TICKS_PER_MINUTE: i64 = 60 * TICKS_PER_SECOND;
/// Ticks in an hour.
pub const TICKS_PER_HOUR: i64 = 60 * TICKS_PER_MINUTE;
/// Ticks in a day.
pub const TICKS_PER_DAY: i64 = 24 * TICKS_PER_HOUR;
/// `DateTime.MaxValue.Ticks`.
pub const MAX_TICKS: i64 = 3_155_378_975_999_999_999;
/// Ticks of 1970-01-01.
pub const UNIX_EPOCH_TICKS: i64 = 621_355_968_000_000_000;
