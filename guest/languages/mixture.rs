// mixture: what Rust's standard library needs of a kernel: threads, futex locks, channels, processes, panics, files.
use std::process::{Command, Stdio};
use std::sync::{mpsc, Arc, Mutex};
use std::{fs, io::Write, thread};

fn main() {
    let total = Arc::new(Mutex::new(0));
    let threads: Vec<_> = (0..8)
        .map(|n| {
            let total = Arc::clone(&total);
            thread::spawn(move || {
                for _ in 0..100 {
                    *total.lock().unwrap() += n;
                }
            })
        })
        .collect();
    for handle in threads {
        handle.join().unwrap();
    }
    println!("sum {}", total.lock().unwrap());

    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || (0..5).for_each(|n| sender.send(n).unwrap()));
    println!("{:?}", receiver.iter().collect::<Vec<i32>>());

    let mut child = Command::new("/bin/sh")
        .args(["-c", "read line; echo child got $line; exit 3"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"a line\n").unwrap();
    let output = child.wait_with_output().unwrap();
    print!("{}", String::from_utf8_lossy(&output.stdout));
    println!("{:?}", output.status.code());

    std::panic::set_hook(Box::new(|_| {}));
    println!("caught {}", std::panic::catch_unwind(|| panic!("on purpose")).is_err());
    let path = std::env::temp_dir().join("mixture.txt");
    fs::write(&path, "written").unwrap();
    println!("{}", fs::read_to_string(&path).unwrap());
    fs::remove_file(&path).unwrap();
}
