//! The `blindmeter` program: everything it does is in the library.

use blindmeter::guard::heap::Wiping;
use std::process::ExitCode;

/// What any part of the program frees is cleared.
#[global_allocator]
static HEAP: Wiping = Wiping;

fn main() -> ExitCode {
    blindmeter::cli::main()
}
