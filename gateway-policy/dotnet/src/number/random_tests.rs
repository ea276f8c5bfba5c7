//! Recorded sequences of .NET Core 3.1.

use super::*;

#[test]
fn seeded_sequences() {
    let mut r = Random::new(1);
    assert_eq!(r.next(), 534_011_718);
    assert_eq!(r.next_below(100).unwrap(), 11);
    assert_eq!(r.next_between(-5, 5).unwrap(), -1);
    assert_eq!(r.next_double(), 0.771_604_122_021_982_5);
    assert_eq!(r.next_between(i32::MIN, i32::MAX).unwrap(), 1_412_011_071);
    let mut r = Random::new(-42);
    let mut bytes = [0; 4];
    r.next_bytes(&mut bytes);
    assert_eq!(bytes, [0x3E, 0x17, 0xBA, 0x96]);
    assert_eq!(r.next(), 361_709_742);
    assert_eq!(Random::new(i32::MIN).next(), 1_559_595_546);
}

#[test]
fn bounds() {
    let mut r = Random::new(1);
    let message = |e: Error| e.message.into_owned();
    assert_eq!(
        message(r.next_below(-1).unwrap_err()),
        "'maxValue' must be greater than zero. (Parameter 'maxValue')"
    );
    assert_eq!(
        message(r.next_between(2, 1).unwrap_err()),
        "'minValue' cannot be greater than maxValue. (Parameter 'minValue')"
    );
    assert_eq!(r.next_between(3, 3).unwrap(), 3);
}
