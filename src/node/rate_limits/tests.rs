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

/// An export of figures that nobody looks at.
fn export(limits: &mut RateLimits, uid: u32, account: Tag) -> Result<(), Limit> {
    limits.export(uid, account, Figures::default()).map(drop)
}

/// Figures that are told from others by this number.
fn figures(number: u64) -> Figures {
    let mut figures = Figures::default();
    (figures.period.up.bytes, figures.open.down.packets) = (number, number + 1);
    figures
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
        assert_eq!(export(&mut limits, 7, account(number)), Ok(()));
        assert!(limits.may_export(8, account(number)) == Err(Limit::ExportedAWeek));
    }
    // Whose week it is does not show to an officer whose day is used up.
    assert_eq!(export(&mut limits, 7, account(99)), Err(Limit::ExportedADay(20)));
    assert_eq!(export(&mut limits, 8, account(99)), Ok(()));
    assert_eq!(export(&mut limits, 7, account(99)), Err(Limit::ExportedADay(20)));
    limits.observe(at(DAY, 0));
    assert_eq!(export(&mut limits, 7, account(0)), Err(Limit::ExportedAWeek));
    assert_eq!(export(&mut limits, 7, account(98)), Ok(()));
    limits.observe(at(7 * DAY - 1, 0));
    assert_eq!(export(&mut limits, 8, account(98)), Err(Limit::ExportedAWeek));
    limits.observe(at(7 * DAY, 0));
    assert_eq!(export(&mut limits, 8, account(98)), Ok(()));
    // What was refused did not count.
    assert_eq!((limits.state().exports, limits.state().exported.len()), (23, 1));
    limits.begin_period();
    assert_eq!((limits.state().exports, limits.state().look_ups), (0, 0));
    assert_eq!(export(&mut limits, 9, account(98)), Err(Limit::ExportedAWeek));
}

/// A forgotten option costs no week, and a second look shows nothing new.
#[test]
fn an_officer_who_asks_again_on_the_day_gets_the_figures_of_the_first_export() {
    let mut limits = RateLimits::begun(STANDARD, START);
    let is = |got: Result<Figures, Limit>, number| got == Ok(figures(number));
    assert!(is(limits.export(7, account(1), figures(1)), 1));
    for hour in 0..24 {
        limits.observe(at(HOUR * hour, 0));
        assert!(limits.may_export(7, account(1)) == Ok(Some(figures(1))));
        assert!(is(limits.export(7, account(1), figures(100 + hour)), 1));
        assert_eq!(export(&mut limits, 8, account(1)), Err(Limit::ExportedAWeek), "another officer");
    }
    // Repeats are no exports, also for an officer whose day is used up.
    assert_eq!((limits.state().exports, limits.state().officers[0].exported_today), (1, 1));
    (2..21).for_each(|number| assert_eq!(export(&mut limits, 7, account(number)), Ok(())));
    assert_eq!(export(&mut limits, 7, account(99)), Err(Limit::ExportedADay(20)));
    let mut later = RateLimits::resumed(STANDARD, limits.state().clone(), at(DAY - 1, 0), true);
    later.observe(at(DAY - 1, 0));
    assert!(is(later.export(7, account(1), figures(200)), 1), "after a restart");
    later.observe(at(DAY, 0));
    assert!(later.state().first_exports.is_empty(), "gone with the day");
    assert_eq!(export(&mut later, 7, account(1)), Err(Limit::ExportedAWeek));
}

#[test]
fn what_cannot_be_kept_for_a_repeat_is_exported_all_the_same() {
    let mut limits = RateLimits::begun(STANDARD, START);
    let officers = 1..=u32::try_from(FIRST_EXPORTS / 20).expect("few") + 1;
    for uid in officers.clone() {
        for number in 0..20 {
            assert_eq!(export(&mut limits, uid, account(u64::from(uid) * 100 + number)), Ok(()));
        }
    }
    let firsts = &limits.state().first_exports;
    assert!(firsts.len() == FIRST_EXPORTS && firsts.is_sorted_by_key(|first| first.mark));
    let last = *officers.end();
    assert_eq!(export(&mut limits, last, account(u64::from(last) * 100)), Err(Limit::ExportedADay(20)));
    assert_eq!(export(&mut limits, 1, account(100)), Ok(()));
}

#[test]
fn a_plan_tells_what_an_export_would_use_up_and_uses_up_none() {
    let mut limits = RateLimits::begun(STANDARD, START);
    let before = limits.state().clone();
    assert_eq!(limits.plan(7, account(1)), Ok(Plan::First(20)));
    assert!(limits.state().exported == before.exported && limits.state().exports == 0);
    assert_eq!(export(&mut limits, 7, account(1)), Ok(()));
    assert_eq!(limits.plan(7, account(1)), Ok(Plan::Repeats));
    assert_eq!(limits.plan(7, account(2)), Ok(Plan::First(19)));
    assert_eq!(limits.plan(8, account(1)), Ok(Plan::Refused(Limit::ExportedAWeek)));
    (0..97).for_each(|number| assert!(limits.plan(7, account(number)).is_ok()));
    assert_eq!(limits.plan(7, account(1)), Err(Limit::PlannedADay(100)));
    limits.observe(at(DAY, 0));
    assert_eq!(limits.plan(7, account(1)), Ok(Plan::Refused(Limit::ExportedAWeek)));
}

#[test]
fn a_table_that_is_full_refuses_and_grows_no_further() {
    let mut limits = RateLimits::begun(STANDARD, START);
    for uid in 0..256 {
        assert_eq!(limits.look_up(uid), Ok(()));
    }
    assert_eq!(limits.look_up(256), Err(Limit::SupportFull(256)));
    assert_eq!(limits.look_up(255), Ok(()));
    // The roles share no table: who looks up takes no officer's place.
    for uid in 0..64 {
        assert_eq!(limits.export_node(1000 + uid), Ok(()));
    }
    assert_eq!(export(&mut limits, 1064, account(1)), Err(Limit::OfficersFull(64)));
    let state = limits.state();
    assert_eq!((state.lookers.len(), state.officers.len()), (LOOKERS, OFFICERS));
    assert!(state.lookers.is_sorted_by_key(|looker| looker.uid));
    assert!(state.officers.is_sorted_by_key(|officer| officer.uid));
}

/// All but one of a role use what they can: the last one's share is still there.
#[test]
fn nobody_uses_up_what_is_anothers() {
    let mut limits = RateLimits::begun(STANDARD, START);
    let mut shown = 0;
    for minute in 0..4 {
        limits.observe(at(60 * minute, 0));
        shown += (1..256).map(|uid| looked_up(&mut limits, uid).0).sum::<u32>();
    }
    assert_eq!(shown, 1000 + 255 * 20);
    assert_eq!(looked_up(&mut limits, 0), (20, Limit::ShownByAll(1000, 20)));

    let mut exported = 0;
    for day in 0..6 {
        limits.observe(at(DAY * day, 0));
        for uid in 1..64 {
            while export(&mut limits, uid, account(exported + 1)).is_ok() {
                exported += 1;
            }
        }
    }
    assert_eq!(exported, 512 + 63 * 5);
    for known_or_not in [account(3), account(99_999)] {
        assert_eq!(export(&mut limits, 9, known_or_not), Err(Limit::ExportedByAll(512, 5)));
    }
    let last = (0..).take_while(|number| export(&mut limits, 0, account(10_000 + number)).is_ok()).count();
    assert_eq!((last, limits.state().exported.len()), (5, EXPORTED));
    assert!(limits.state().exported.is_sorted());
}

#[test]
fn the_nodes_counts_are_exports_of_the_day() {
    let mut limits = RateLimits::begun(STANDARD, START);
    for number in 0..10 {
        assert_eq!((limits.export_node(7), export(&mut limits, 7, account(number))), (Ok(()), Ok(())));
    }
    assert_eq!(limits.export_node(7), Err(Limit::ExportedADay(20)));
    assert_eq!(export(&mut limits, 7, account(99)), Err(Limit::ExportedADay(20)));
    assert_eq!(limits.export_node(8), Ok(()));
    limits.observe(at(DAY, 0));
    assert_eq!(limits.export_node(7), Ok(()));
}

/// Sets the clock to and fro by this much each hour for thirty days, asking all the time; most look-ups
/// in a day of boot clock, and all exports of one account.
fn obtained(set_seconds: i64) -> (u64, u64) {
    let mut limits = RateLimits::begun(STANDARD, START);
    let (mut most, mut before, mut exports) = (0, 0, 0);
    for hour in 0..30 * 24 {
        limits.observe(at(hour * HOUR, if hour % 2 == 0 { 0 } else { set_seconds }));
        looked_up(&mut limits, 7);
        // Repeats of the day are no exports.
        let earlier = limits.state().exports;
        let _ = export(&mut limits, 8, account(1));
        exports += limits.state().exports - earlier;
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
    assert_eq!(export(&mut limits, 7, account(1)), Ok(()));
    let standing = |seconds: u64| Reading { wall_seconds: START.wall_seconds, ..at(seconds, 0) };
    limits.observe(standing(59));
    assert_eq!(looked_up(&mut limits, 7).0, 0);
    limits.observe(standing(60));
    assert_eq!(looked_up(&mut limits, 7).0, 30);
    limits.observe(standing(7 * DAY - 1));
    assert_eq!(export(&mut limits, 7, account(1)), Err(Limit::ExportedAWeek));
    limits.observe(standing(7 * DAY));
    assert_eq!(export(&mut limits, 7, account(1)), Ok(()));
}

#[test]
fn a_restart_gives_nothing_away_in_the_same_boot_or_another() {
    let mut limits = RateLimits::begun(STANDARD, START);
    assert_eq!(looked_up(&mut limits, 7).0, 30);
    assert_eq!(export(&mut limits, 7, account(1)), Ok(()));
    // An hour later, another process: the minute is over, the day and the week are not.
    let mut same = RateLimits::resumed(STANDARD, limits.state().clone(), at(HOUR, 0), true);
    same.observe(at(HOUR, 0));
    assert_eq!(looked_up(&mut same, 7).0, 30);
    assert_eq!(export(&mut same, 8, account(1)), Err(Limit::ExportedAWeek));
    // Another boot, and a wall clock that says a year: nothing of it has passed for sure.
    let year = Reading { wall_seconds: START.wall_seconds + 365 * DAY, boot_nanoseconds: 1 };
    let mut other = RateLimits::resumed(STANDARD, limits.state().clone(), year, false);
    other.observe(year);
    assert_eq!(looked_up(&mut other, 7), (0, Limit::ShownAMinute(30)));
    assert_eq!(export(&mut other, 8, account(1)), Err(Limit::ExportedAWeek));
    // What had passed before the restart counts.
    let mut early = limits;
    early.observe(at(6 * DAY, 0));
    let mut late = RateLimits::resumed(STANDARD, early.state().clone(), year, false);
    late.observe(Reading { boot_nanoseconds: HOUR * 8 * 1_000_000_000, ..year });
    assert_eq!(export(&mut late, 7, account(1)), Ok(()));
}

#[test]
fn a_lab_build_counts_and_refuses_nothing() {
    let mut limits = RateLimits::begun(None, START);
    for _ in 0..1000 {
        assert_eq!((limits.look_up(7), export(&mut limits, 7, account(1))), (Ok(()), Ok(())));
    }
    assert_eq!((limits.state().look_ups, limits.state().exports), (1000, 1000));
    let state = limits.state();
    assert!(state.lookers.is_empty() && state.officers.is_empty() && state.exported.is_empty());
    assert!(state.first_exports.is_empty() && limits.plan(7, account(1)) == Ok(Plan::Free));
}

#[test]
fn a_refusal_is_one_line_that_says_the_limit_and_when_it_is_over() {
    for (limit, limit_text, over) in [
        (Limit::ShownAMinute(30), "30 accounts a minute", "in a minute"),
        (Limit::ShownADay(100), "100 accounts a day", "tomorrow (UTC)"),
        (Limit::ExportedADay(20), "20 accounts a day", "tomorrow (UTC)"),
        (Limit::PlannedADay(100), "100 exports a day", "tomorrow (UTC)"),
        (Limit::ExportedAWeek, "once a week", "from next Thursday, 00:00 UTC"),
        (Limit::ShownByAll(1000, 20), "1000 accounts a day, and each user 20 more", "tomorrow (UTC)"),
        (
            Limit::ExportedByAll(512, 5),
            "512 accounts a week, and each user 5 more",
            "from next Thursday, 00:00 UTC",
        ),
        (Limit::SupportFull(256), "256 users", "tomorrow (UTC)"),
        (Limit::OfficersFull(64), "64 users", "from next Thursday, 00:00 UTC"),
    ] {
        let text = limit.to_string();
        assert!(text.contains(limit_text) && text.contains(over) && !text.contains('\n'), "{text}");
    }
    // floor(UTC / 7 d) changes on Thursdays: 1970-01-01 was one.
    assert_eq!(START.wall_seconds % (7 * DAY), 0);
}
