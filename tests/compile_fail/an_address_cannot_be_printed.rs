//! Addresses, prefixes and account names have neither `Debug` nor `Display`.

use blindmeter::roster::account::AccountName;
use blindmeter::roster::address::{Prefix, TunnelAddress};

fn print(address: TunnelAddress, prefix: Prefix, account: AccountName) {
    println!("{address:?}");
    println!("{address}");
    println!("{prefix:?}");
    println!("{prefix}");
    println!("{account:?}");
    println!("{account}");
}

fn main() {}
