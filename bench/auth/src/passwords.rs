//! The time of a hash beside the crate that computes it, and beside the reference implementation in C where that is installed.

use std::{ffi::c_void, hint::black_box, num::NonZeroUsize};

use argon2::{Algorithm, Argon2, Params, Version};
use dbopt_auth::{Cost, PasswordConfig, Passwords};
use libloading::{Library, Symbol};

use crate::{Work, best};

const PASSWORD: &[u8] = b"correct horse battery staple";

/// `argon2id_hash_raw` of argon2.h: passes, kB, lanes, password, salt, hash.
type Raw = unsafe extern "C" fn(u32, u32, u32, *const c_void, usize, *const c_void, usize, *mut c_void, usize) -> i32;

pub(crate) fn compare(runs: u32) {
    println!("### Time of a hash, ms\n");
    println!("| argon2id | dbopt | the crate `argon2`, fresh memory | libargon2 | ratio to libargon2 |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    // SAFETY: the library is the system's own, and has no initialisers of note.
    let library = unsafe { Library::new("libargon2.so.1") }.ok();
    for cost in Cost::OWASP {
        let config = PasswordConfig { cost, at_once: NonZeroUsize::MIN, ..PasswordConfig::default() };
        let passwords = Passwords::new(config).expect("random bytes");
        let mut works: Vec<Work<'_>> = vec![
            ("dbopt", Box::new(|| drop(black_box(passwords.hash(PASSWORD).expect("a hash"))))),
            ("argon2", Box::new(|| fresh(cost))),
        ];
        if let Some(library) = &library {
            // SAFETY: the type is that of argon2.h, which has not changed since its first release.
            let raw: Symbol<'_, Raw> = unsafe { library.get(b"argon2id_hash_raw\0") }.expect("the function is there");
            works.push(("libargon2", Box::new(move || reference(&raw, cost))));
        }
        let times: Vec<f64> = best(&mut works, runs, 1).iter().map(|time| time / 1e6).collect();
        let reference = times.get(2).map_or("not installed".to_owned(), |time| format!("{time:.1}"));
        let ratio = times.get(2).map_or(String::new(), |time| format!("{:.2}", times[0] / time));
        println!("| {cost} | {:.1} | {:.1} | {reference} | {ratio} |", times[0], times[1]);
    }
    println!("\ndbopt: salt, memory from the hash before, wiping it, and the PHC string included.\n");
}

fn fresh(cost: Cost) {
    let params = Params::new(cost.memory(), cost.passes(), cost.lanes(), Some(32)).expect("a cost");
    let mut hash = [0; 32];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into(PASSWORD, b"0123456789abcdef", &mut hash).expect("a hash");
    black_box(hash);
}

fn reference(raw: &Raw, cost: Cost) {
    let (salt, mut hash) = (*b"0123456789abcdef", [0_u8; 32]);
    // SAFETY: pointers and lengths are those of the arrays.
    let code = unsafe {
        raw(
            cost.passes(),
            cost.memory(),
            cost.lanes(),
            PASSWORD.as_ptr().cast(),
            PASSWORD.len(),
            salt.as_ptr().cast(),
            salt.len(),
            hash.as_mut_ptr().cast(),
            hash.len(),
        )
    };
    assert_eq!(code, 0);
    black_box(hash);
}
