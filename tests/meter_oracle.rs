//! Black-box tests of `blindmeter meter` against judges from outside: tshark for addresses and lengths, a linear
//! search for longest prefixes, and the generator's own plan where tshark cannot judge.
//!
//! `roster`, `ip` and `link` make packets, `captures` writes them to files, `tally` adds up what they must
//! count for, `program` runs the command; the promises are in `agreement`, `rules`, `broken`,
//! `refusals` and `mutants`.

#[path = "meter_oracle/agreement.rs"]
mod agreement;
#[path = "meter_oracle/broken.rs"]
mod broken;
#[path = "meter_oracle/captures.rs"]
mod captures;
#[path = "meter_oracle/ip.rs"]
mod ip;
#[path = "meter_oracle/link.rs"]
mod link;
#[path = "meter_oracle/mutants.rs"]
mod mutants;
#[path = "meter_oracle/program.rs"]
mod program;
#[path = "meter_oracle/refusals.rs"]
mod refusals;
#[path = "meter_oracle/roster.rs"]
mod roster;
#[path = "meter_oracle/rules.rs"]
mod rules;
mod support;
#[path = "meter_oracle/tally.rs"]
mod tally;
#[path = "meter_oracle/tshark.rs"]
mod tshark;
