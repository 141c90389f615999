//! The `blindmeter` program: everything it does is in the library.

use blindmeter::system::allocator::WipingAllocator;
use std::process::ExitCode;

/// What any part of the program frees is cleared.
#[global_allocator]
static HEAP: WipingAllocator = WipingAllocator;

fn main() -> ExitCode {
    blindmeter::cli::main()
}
