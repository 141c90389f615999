//! Each limit at its edge, and that neither clocks nor restarts nor unknown accounts get around one.

use super::*;

const DAY: u64 = DAY_SECONDS;
const HOUR: u64 = 3600;
const STANDARD: Option<LookUps> = Some(LookUps::STANDARD);

/// A Thursday, at midnight, some time after boot.
const START: Reading = Reading { wall_seconds: 7 * DAY * 3000, boot_nanoseconds: 5_000_000_000 };

/// Seconds after the start on both clocks; the wall clock may have been set.
fn at(seconds: u64, set_seconds: i64) -> Reading {
    Reading {
        wall_seconds: (START.wall_seconds + seconds).saturating_add_signed(set_seconds),
        boot_nanoseconds: START.boot_nanoseconds + seconds * 1_000_000_000,
    }
}

fn account(number: u64) -> Tag {
    Tag(u128::from(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_le_bytes())
}

/// How many look-ups of this user are let through before one is refused, and by which limit.
fn looked_up(limits: &mut RateLimits, uid: u32) -> (u32, Limit) {
    let mut count = 0;
    loop {
        match limits.look_up(uid) {
            Ok(()) => count += 1,
            Err(limit) => return (count, limit),
        }
    }
}

#[test]
fn thirty_look_ups_a_minute_and_a_hundred_a_day_for_each_member_of_staff() {
    let mut limits = RateLimits::begun(STANDARD, START);
    for minute in 0..3 {
        limits.observe(at(60 * minute, 0));
        for uid in [7, 8] {
            assert_eq!(looked_up(&mut limits, uid), (30, Limit::ShownAMinute(30)));
        }
    }
    limits.observe(at(180, 0));
    assert_eq!(looked_up(&mut limits, 7), (10, Limit::ShownADay(100)));
    assert_eq!(looked_up(&mut limits, 9), (30, Limit::ShownAMinute(30)));
    limits.observe(at(DAY - 1, 0));
    assert_eq!(looked_up(&mut limits, 7), (0, Limit::ShownADay(100)));
    limits.observe(at(DAY, 0));
    assert_eq!(looked_up(&mut limits, 7), (30, Limit::ShownAMinute(30)));
    assert_eq!(limits.state().look_ups, 2 * 90 + 10 + 30 + 30);
}

#[test]
fn twenty_exports_a_day_for_each_officer_and_one_a_week_for_each_account() {
    let mut limits = RateLimits::begun(STANDARD, START);
    for number in 0..20 {
        assert_eq!(limits.export(7, account(number)), Ok(()));
        assert_eq!(limits.may_export(8, account(number)), Err(Limit::ExportedAWeek));
    }
    // Whose week it is does not show to an officer whose day is used up.
    assert_eq!(limits.export(7, account(0)), Err(Limit::ExportedADay(20)));
    assert_eq!(limits.export(7, account(99)), Err(Limit::ExportedADay(20)));
    assert_eq!(limits.export(8, account(99)), Ok(()));
    limits.observe(at(DAY, 0));
    assert_eq!(limits.export(7, account(0)), Err(Limit::ExportedAWeek));
    assert_eq!(limits.export(7, account(98)), Ok(()));
    limits.observe(at(7 * DAY - 1, 0));
    assert_eq!(limits.export(8, account(98)), Err(Limit::ExportedAWeek));
    limits.observe(at(7 * DAY, 0));
    assert_eq!(limits.export(8, account(98)), Ok(()));
    // What was refused did not count.
    assert_eq!((limits.state().exports, limits.state().exported.len()), (23, 1));
    limits.begin_period();
    assert_eq!((limits.state().exports, limits.state().look_ups), (0, 0));
    assert_eq!(limits.export(8, account(98)), Err(Limit::ExportedAWeek));
}

#[test]
fn a_table_that_is_full_refuses_and_grows_no_further() {
    let mut limits = RateLimits::begun(STANDARD, START);
    for uid in 0..64 {
        assert_eq!(limits.look_up(uid), Ok(()));
    }
    assert_eq!(limits.look_up(64), Err(Limit::StaffFull(64)));
    assert_eq!(limits.export(64, account(1)), Err(Limit::StaffFull(64)));
    assert_eq!(limits.look_up(63), Ok(()));
    for number in 0..512_u64 {
        let uid = u32::try_from(number / 20).unwrap();
        assert_eq!(limits.export(uid, account(number)), Ok(()));
    }
    for known_or_not in [account(3), account(9999)] {
        assert_eq!(limits.export(63, known_or_not), Err(Limit::WeekFull(512)));
    }
    let state = limits.state();
    assert_eq!((state.staff.len(), state.exported.len()), (STAFF, EXPORTED));
    assert!(state.staff.is_sorted_by_key(|member| member.uid) && state.exported.is_sorted());
}

/// Sets the clock to and fro by this much each hour for thirty days, asking all the time; most look-ups
/// in a day of boot clock, and all exports of one account.
fn obtained(set_seconds: i64) -> (u64, u64) {
    let mut limits = RateLimits::begun(STANDARD, START);
    let (mut most, mut before, mut exports) = (0, 0, 0);
    for hour in 0..30 * 24 {
        limits.observe(at(hour * HOUR, if hour % 2 == 0 { 0 } else { set_seconds }));
        looked_up(&mut limits, 7);
        exports += u64::from(limits.export(8, account(1)).is_ok());
        if hour % 24 == 23 {
            most = most.max(limits.state().look_ups - before);
            before = limits.state().look_ups;
        }
    }
    (most, exports)
}

#[test]
fn a_clock_that_is_set_gives_nothing_away() {
    for set_seconds in [0, 60, -60, 3600, 86_400, -86_400, 7 * 86_400, -7 * 86_400, 400 * 86_400] {
        let (look_ups, exports) = obtained(set_seconds);
        // A day is never shorter than 0.9 of one, so that at most two of them begin in one.
        assert!(look_ups <= 200, "{set_seconds} s to and fro: {look_ups} look-ups in a day");
        assert!((4..=5).contains(&exports), "{set_seconds} s to and fro: {exports} exports in 30 days");
    }
}

#[test]
fn a_clock_that_stands_still_locks_nobody_out() {
    let mut limits = RateLimits::begun(STANDARD, START);
    assert_eq!(looked_up(&mut limits, 7).0, 30);
    assert_eq!(limits.export(7, account(1)), Ok(()));
    let standing = |seconds: u64| Reading { wall_seconds: START.wall_seconds, ..at(seconds, 0) };
    limits.observe(standing(59));
    assert_eq!(looked_up(&mut limits, 7).0, 0);
    limits.observe(standing(60));
    assert_eq!(looked_up(&mut limits, 7).0, 30);
    limits.observe(standing(7 * DAY - 1));
    assert_eq!(limits.export(7, account(1)), Err(Limit::ExportedAWeek));
    limits.observe(standing(7 * DAY));
    assert_eq!(limits.export(7, account(1)), Ok(()));
}

#[test]
fn a_restart_gives_nothing_away_in_the_same_boot_or_another() {
    let mut limits = RateLimits::begun(STANDARD, START);
    assert_eq!(looked_up(&mut limits, 7).0, 30);
    assert_eq!(limits.export(7, account(1)), Ok(()));
    // An hour later, another process: the minute is over, the day and the week are not.
    let mut same = RateLimits::resumed(STANDARD, limits.state().clone(), at(HOUR, 0), true);
    same.observe(at(HOUR, 0));
    assert_eq!(looked_up(&mut same, 7).0, 30);
    assert_eq!(same.export(7, account(1)), Err(Limit::ExportedAWeek));
    // Another boot, and a wall clock that says a year: nothing of it has passed for sure.
    let year = Reading { wall_seconds: START.wall_seconds + 365 * DAY, boot_nanoseconds: 1 };
    let mut other = RateLimits::resumed(STANDARD, limits.state().clone(), year, false);
    other.observe(year);
    assert_eq!(looked_up(&mut other, 7), (0, Limit::ShownAMinute(30)));
    assert_eq!(other.export(7, account(1)), Err(Limit::ExportedAWeek));
    // What had passed before the restart counts.
    let mut early = limits;
    early.observe(at(6 * DAY, 0));
    let mut late = RateLimits::resumed(STANDARD, early.state().clone(), year, false);
    late.observe(Reading { boot_nanoseconds: HOUR * 8 * 1_000_000_000, ..year });
    assert_eq!(late.export(7, account(1)), Ok(()));
}

#[test]
fn a_lab_build_counts_and_refuses_nothing() {
    let mut limits = RateLimits::begun(None, START);
    for _ in 0..1000 {
        assert_eq!((limits.look_up(7), limits.export(7, account(1))), (Ok(()), Ok(())));
    }
    assert_eq!((limits.state().look_ups, limits.state().exports), (1000, 1000));
    assert!(limits.state().staff.is_empty() && limits.state().exported.is_empty());
}

#[test]
fn a_refusal_is_one_line_that_says_the_limit_and_when_it_is_over() {
    for (limit, limit_text, over) in [
        (Limit::ShownAMinute(30), "30 accounts a minute", "in a minute"),
        (Limit::ShownADay(100), "100 accounts a day", "tomorrow (UTC)"),
        (Limit::ExportedADay(20), "20 accounts a day", "tomorrow (UTC)"),
        (Limit::ExportedAWeek, "once a week", "from next Thursday, 00:00 UTC"),
        (Limit::WeekFull(512), "512 accounts a week", "from next Thursday, 00:00 UTC"),
        (Limit::StaffFull(64), "64 users", "tomorrow (UTC)"),
    ] {
        let text = limit.to_string();
        assert!(text.contains(limit_text) && text.contains(over) && !text.contains('\n'), "{text}");
    }
    // floor(UTC / 7 d) changes on Thursdays: 1970-01-01 was one.
    assert_eq!(START.wall_seconds % (7 * DAY), 0);
}
