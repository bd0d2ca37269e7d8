//! Everybody watches, and one more comes: octets of NOTIFY for each who watches, in rooms of different sizes. They are linear in the
//! size of the room when each watcher is told the same amount in all of them.

use std::time::Duration;

use super::Effort;
use crate::load::stage::Stage;
use crate::load::table::Table;

const SIZES: [usize; 3] = [10, 40, 160];
/// How many come, one after the other.
const COMERS: usize = 3;
/// Longer than NOTIFYs are held back (RFC 4575 §3.10).
const PAUSE: Duration = Duration::from_secs(6);
/// How much more a watcher of the largest room may be told than one of the smallest.
const GROWTH: f64 = 1.5;

pub(super) async fn measure(stage: &Stage, effort: &Effort, table: &mut Table) {
    let mut told = Vec::new();
    for watchers in SIZES.into_iter().filter(|size| *size <= effort.crowd) {
        let (mut sip, mut raw, mut comers) = (stage.legs(), stage.raws(), stage.raws());
        let room = format!("watched{watchers}");
        let joins = sip.number(format!("join {room} 0 {watchers} watching"));
        tokio::time::sleep(PAUSE * 2).await;
        let joining = sip.take();
        for n in 0..COMERS {
            comers.ask(format!("join {} {n} 1", stage.muc(&room)));
            tokio::time::sleep(PAUSE).await;
        }
        let counts = sip.take();
        let theirs = stage.muc(&format!("rawwatched{watchers}"));
        raw.ask(format!("join {theirs} 0 {watchers}"));
        raw.take();
        comers.ask(format!("join {theirs} 90000 {COMERS}"));
        tokio::time::sleep(PAUSE).await;
        let presence = raw.take().octets / (watchers * COMERS) as f64;
        let each = counts.notified / counts.notifies.max(1.0);
        println!(
            "  notify: {watchers} who watch joined in {joins:.1} s with {:.0} NOTIFYs of {:.0} KiB in all",
            joining.notifies,
            joining.notified / 1024.0
        );
        table.tell(
            &format!("notify {watchers}: NOTIFY when one comes"),
            format!("{each:.0} octets"),
            format!(
                "{:.1} for each watcher and comer; presence to a raw client {presence:.0} octets",
                counts.notifies / (watchers * COMERS) as f64
            ),
            "",
        );
        told.push((watchers, each));
        sip.ask("leave");
        raw.ask("leave");
        comers.ask("leave");
    }
    let (Some((small, first)), Some((large, last))) = (told.first(), told.last()) else { return };
    table.judge(
        "notify: growth of that from the smallest to the largest",
        format!("{:.1} ×", last / first),
        format!("rooms of {small} and {large}"),
        "≤ 1.5 × (linear in N)",
        last / first <= GROWTH,
    );
}
