//! The Gregorian calendar: days to year, month and day, and back.

const DAYS_PER_400_YEARS: i64 = 146_097;

pub(super) fn is_leap_year(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days of `month` (1 to 12) in `year`.
pub(super) fn month_days(year: i32, month: i32) -> i32 {
    match month {
        2 => 28 + i32::from(is_leap_year(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 0001-01-01 to the first of January of `year`.
pub(super) fn days_before_year(year: i32) -> i64 {
    let y = i64::from(year) - 1;
    y * 365 + y / 4 - y / 100 + y / 400
}

/// Days from 0001-01-01 to a date; `None` if there is no such date.
pub(super) fn days_of(year: i32, month: i32, day: i32) -> Option<i64> {
    if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || day < 1 || day > month_days(year, month) {
        return None;
    }
    let before: i32 = (1..month).map(|m| month_days(year, m)).sum();
    Some(days_before_year(year) + i64::from(before + day - 1))
}

/// Year, month and day of a day number.
pub(super) fn date_of(days: i64) -> (i32, i32, i32) {
    let cycles = days / DAYS_PER_400_YEARS;
    let rest = days % DAYS_PER_400_YEARS;
    // A first guess that is never too late, then at most a step or two.
    let mut year = (cycles * 400 + rest / 366 + 1) as i32;
    while days_before_year(year + 1) <= days {
        year += 1;
    }
    let mut day = (days - days_before_year(year)) as i32;
    let mut month = 1;
    while day >= month_days(year, month) {
        day -= month_days(year, month);
        month += 1;
    }
    (year, month, day + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for (y, m, d, days) in [
            (1, 1, 1, 0),
            (1970, 1, 1, 719_162),
            (2024, 2, 29, 738_944),
            (9999, 12, 31, 3_652_058),
        ] {
            assert_eq!(days_of(y, m, d), Some(days));
            assert_eq!(date_of(days), (y, m, d));
        }
        for days in (0..3_652_059).step_by(977) {
            let (y, m, d) = date_of(days);
            assert_eq!(days_of(y, m, d), Some(days));
        }
        assert_eq!(days_of(2023, 2, 29), None);
        assert_eq!(days_of(1900, 2, 29), None);
        assert_eq!(days_of(0, 1, 1), None);
    }
}
