//! A focus that the test plays itself: what came to it, and what it says.

use std::sync::Mutex;

use mucfocus::hub::mail::{CallEnd, CallMail, Mail, Outcome, SubscriptionMail};
use mucfocus::hub::mailbox::{Mailbox, Source};
use mucfocus::sip::GateObserver;
use mucfocus::sip::port::{
    CallCommand, Dial, Dialled, Focus, LegId, Notification, Readiness, Reason, Refer, ReferAnswer, Refusal, Subscribe,
    SubscriptionState,
};
use mucfocus_core::address::sip_uri::SipUri;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::harness::PATIENCE;

/// A call as the focus sees it.
pub struct Ringing {
    pub dial: Dial,
    pub mailbox: Mailbox,
}

impl Ringing {
    pub async fn say(&self, command: CallCommand) {
        self.dial.commands.send(command).await.unwrap();
    }

    pub async fn accept(&self, answer: &'static str) {
        self.say(CallCommand::Accept { answer: answer.into() }).await;
    }

    pub async fn hear(&mut self) -> CallMail {
        let letter = timeout(PATIENCE, self.mailbox.recv()).await.expect("the room hears nothing");
        let Mail::Call(mail) = letter.mail else { panic!("not from a call: {:?}", letter.mail) };
        mail
    }

    pub async fn hear_end(&mut self) -> CallEnd {
        match self.hear().await {
            CallMail::Ended(end) => end,
            other => panic!("expected the end, got {other:?}"),
        }
    }
}

/// A subscription as the focus sees it.
pub struct Watching {
    pub subscribe: Subscribe,
    pub mailbox: Mailbox,
}

impl Watching {
    pub async fn notify(&self, notification: Notification) {
        self.subscribe.notifications.send(notification).await.unwrap();
    }

    /// A document, for so many seconds more.
    pub async fn show(&self, expires: u32, document: &str) {
        let document = Some(document.to_owned().into());
        self.notify(Notification { state: SubscriptionState::Active { expires, interval: None }, document }).await;
    }

    pub async fn end(&self, reason: Reason, text: Option<&str>) {
        let state =
            SubscriptionState::Terminated { reason, retry_after: None, text: text.map(str::to_owned), cause: None };
        self.notify(Notification { state, document: None }).await;
    }

    pub async fn hear(&mut self) -> SubscriptionMail {
        let letter = timeout(PATIENCE, self.mailbox.recv()).await.expect("the room hears nothing");
        let Mail::Subscription(mail) = letter.mail else { panic!("not from a subscription: {:?}", letter.mail) };
        mail
    }

    /// That the last notification was delivered, and the end.
    pub async fn hear_last(&mut self) {
        let mail = self.hear().await;
        assert!(matches!(mail, SubscriptionMail::Notified(Outcome::Delivered)), "{mail:?}");
        self.hear_end().await;
    }

    /// The end, after which nothing comes.
    pub async fn hear_end(&mut self) {
        let mail = self.hear().await;
        assert!(matches!(mail, SubscriptionMail::Ended), "{mail:?}");
        assert!(self.mailbox.is_deserted());
    }
}

/// A referral as the focus sees it.
pub struct Asked {
    pub refer: Refer,
    pub mailbox: Mailbox,
}

impl Asked {
    pub async fn say(&self, answer: ReferAnswer) {
        self.refer.answers.send(answer).await.unwrap();
    }

    pub async fn hear_end(&mut self) {
        let letter = timeout(PATIENCE, self.mailbox.recv()).await.expect("the room hears nothing");
        assert!(matches!(letter.mail, Mail::ReferralEnded), "{:?}", letter.mail);
    }
}

/// The leg of every call.
pub const LEG: LegId = LegId(7);

/// Rooms `capulet` and `room@conf`; what happens to a call, a subscription or a referral is up to the test.
pub struct Stage {
    pub calls: mpsc::UnboundedSender<Ringing>,
    pub subscriptions: mpsc::UnboundedSender<Watching>,
    pub referrals: mpsc::UnboundedSender<Asked>,
    pub readiness: Mutex<Readiness>,
    pub refuse_with: Mutex<Option<Refusal>>,
}

impl Focus for Stage {
    fn maps(&self, uri: &SipUri) -> bool {
        matches!(uri.user_decoded().as_deref(), Some("capulet" | "room@conf" | "a+b(c)!~"))
    }

    fn readiness(&self) -> Readiness {
        *self.readiness.lock().unwrap()
    }

    fn subscribe(&self, subscribe: Subscribe) -> Result<Source, Refusal> {
        if let Some(refusal) = self.refuse_with.lock().unwrap().clone() {
            return Err(refusal);
        }
        let mailbox = Mailbox::new();
        let (_, source) = mailbox.address().source(Mail::Subscription(SubscriptionMail::Ended));
        self.subscriptions.send(Watching { subscribe, mailbox }).unwrap();
        Ok(source)
    }

    fn refer(&self, refer: Refer) -> Result<Source, Refusal> {
        if let Some(refusal) = self.refuse_with.lock().unwrap().clone() {
            return Err(refusal);
        }
        let mailbox = Mailbox::new();
        let (_, source) = mailbox.address().source(Mail::ReferralEnded);
        self.referrals.send(Asked { refer, mailbox }).unwrap();
        Ok(source)
    }

    fn dial(&self, dial: Dial) -> Result<Dialled, Refusal> {
        if let Some(refusal) = self.refuse_with.lock().unwrap().clone() {
            return Err(refusal);
        }
        let mailbox = Mailbox::new();
        let (_, source) = mailbox.address().source(Mail::Call(CallMail::Ended(CallEnd::Failed("dropped".into()))));
        self.calls.send(Ringing { dial, mailbox }).unwrap();
        Ok(Dialled { source, leg: LEG })
    }
}

#[derive(Default)]
pub struct Counts(pub Mutex<Vec<&'static str>>);

impl GateObserver for Counts {
    fn refused(&self, reason: &'static str) {
        self.0.lock().unwrap().push(reason);
    }
}
