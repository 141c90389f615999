//! Addresses, prefixes and account names cannot be written as JSON or read from it.

use blindmeter::roster::account::AccountName;
use blindmeter::roster::address::{Prefix, TunnelAddress};

/// What `serde_json::to_string` takes; of this crate, so that the message lists no types of serde's.
#[diagnostic::on_unimplemented(message = "`{Self}` cannot be serialised")]
trait Written {}
#[diagnostic::do_not_recommend]
impl<T: serde::Serialize> Written for T {}

/// What `serde_json::from_str` gives.
#[diagnostic::on_unimplemented(message = "`{Self}` cannot be deserialised")]
trait Read {}
#[diagnostic::do_not_recommend]
impl<T: serde::de::DeserializeOwned> Read for T {}

fn to_json<T: Written>(_: &T) {}
fn from_json<T: Read>() {}

fn serialise(address: &TunnelAddress, prefix: &Prefix, account: &AccountName) {
    to_json(&"a word can be serialised");
    to_json(address);
    to_json(prefix);
    to_json(account);
}

fn main() {
    from_json::<String>();
    from_json::<TunnelAddress>();
    from_json::<Prefix>();
    from_json::<AccountName>();
}
