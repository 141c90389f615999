//! What the state directory of many nights is worth to whoever has all of it and the root key (rule L14):
//! the last chain file opens one image, the last.

use crate::sim;
use crate::sim::disk::SimulatedDisk;
use crate::sim::machine::Machine;
use crate::sim::setup::{BLOB, Setup};
use blindmeter::store::chain_path;
use blindmeter::store::disk::Disk;
use blindmeter::store::format::{self, HEADER_BYTES, Header};
use blindmeter::store::keys::Key;
use std::path::Path;

const NIGHTS: usize = 30;

/// The root key of simulated nodes.
const ROOT: [u8; 32] = [42; 32];

/// The links of a chain file, wherever they lie in it: see ARCHITECTURE.md.
fn links(chain: &[u8]) -> Vec<Key> {
    let slots = [0, 4096].into_iter().filter(|at| chain[at + 8] != 0);
    slots.map(|at| Key::new(*chain[at + 9..].first_chunk().expect("a chain file has 8,192 bytes"))).collect()
}

/// Whether somebody who writes a program of their own can read an image with these keys, whatever the
/// headers say of generations.
fn opens(image: &[u8], links: &[Key]) -> bool {
    let disk = SimulatedDisk::new(1);
    disk.put(Path::new(BLOB), image);
    let file = disk.open(Path::new(BLOB)).expect("the image is there");
    let header = image.first_chunk::<HEADER_BYTES>().and_then(Header::decode).expect("an image has a header");
    let root = Key::new(ROOT);
    links.iter().any(|link| format::read(&disk, &file, &header, &root.of_blob(link), |_, _| ()).is_ok())
}

#[test]
fn of_thirty_nightly_images_the_last_chain_file_opens_one() {
    let setup = Setup { save_every_seconds: Some(3600), capacity: 4, ..Setup::default() };
    let chain = chain_path(Path::new(BLOB));
    let (images, chains) = sim::apart(|_| {
        sim::runtime().block_on(async {
            let mut machine = Machine::new(&setup, 1, 20_500 * 86_400 + 600);
            machine.start("prefix,account\n10.77.0.1,file-01\n", false).expect("a first start");
            let (mut images, mut chains) = (Vec::new(), Vec::new());
            for _ in 0..NIGHTS {
                // Half an hour at a time: a night has many saves and one close.
                for _ in 0..48 {
                    machine.pass(1800).await;
                }
                images.push(machine.environment.disk.bytes(Path::new(BLOB)).expect("a blob"));
                chains.push(machine.environment.disk.bytes(&chain).expect("a chain file"));
            }
            (images, chains)
        })
    });
    // Each opened on its own night: that it does not later is no fault of its own.
    assert!(images.iter().zip(&chains).all(|(image, chain)| opens(image, &links(chain))));
    let last = links(&chains[NIGHTS - 1]);
    let open: Vec<usize> = (0..NIGHTS).filter(|night| opens(&images[*night], &last)).collect();
    assert_eq!(open, [NIGHTS - 1], "of {NIGHTS} images");
}
