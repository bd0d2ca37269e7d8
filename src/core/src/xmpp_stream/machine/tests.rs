use super::*;
use crate::env::IdSource;
use crate::time::WallClock;
use alloc::vec::Vec;
use jid::FullJid;

const START: Input<'static> = Input::Start { resumable: false };

struct Counter(u128);

impl IdSource for Counter {
    fn next(&mut self) -> u128 {
        self.0 += 1;
        self.0
    }
}

/// A stream on a virtual clock, and what it has put out.
struct Stream {
    machine: Machine,
    now: Instant,
    ids: Counter,
}

impl Stream {
    fn new() -> Self {
        Self {
            machine: Machine::new("focus1-x&y".into(), Duration::from_secs(25)),
            now: Instant::ZERO,
            ids: Counter(0),
        }
    }

    /// A stream that is up and wants `capulet@muc.test`.
    fn up() -> Self {
        let mut stream = Self::new();
        let bind = stream.written(START);
        let id = attribute(&bind, "id");
        let bound = stream.says(&bind_result(&id));
        assert_eq!(bound, [Output::Bound(FullJid::new("romeo@xmpp.test/given").expect("a JID"))]);
        assert_eq!(stream.input(Input::Enter(room())), []);
        stream
    }

    fn env<T>(&mut self, act: impl FnOnce(&mut Machine, &mut Env<'_>) -> T) -> T {
        let mut env = Env { now: self.now, wall: WallClock::default(), ids: &mut self.ids };
        act(&mut self.machine, &mut env)
    }

    fn drain(&mut self) -> Vec<Output> {
        core::iter::from_fn(|| self.machine.poll()).collect()
    }

    fn input(&mut self, input: Input<'_>) -> Vec<Output> {
        self.env(|machine, env| machine.handle(env, input));
        self.drain()
    }

    fn says(&mut self, xml: &str) -> Vec<Output> {
        self.input(Input::Received(xml.as_bytes()))
    }

    /// The one thing that is written for `input`.
    fn written(&mut self, input: Input<'_>) -> String {
        let outputs = self.input(input);
        let [Output::Write(bytes)] = outputs.as_slice() else { panic!("{outputs:?}") };
        text(bytes)
    }

    fn answer_to(&mut self, xml: &str) -> String {
        self.written(Input::Received(xml.as_bytes()))
    }

    fn wait(&mut self, time: Duration) -> Vec<Output> {
        self.now = self.now + time;
        self.env(Machine::handle_timeout);
        self.drain()
    }
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

fn room() -> BareJid {
    BareJid::new("capulet@muc.test").expect("a JID")
}

fn attribute(xml: &str, name: &str) -> String {
    let Ok(Some(Event::Stanza(framed))) = Framer::new().push(&mut xml.as_bytes()) else { panic!("{xml}") };
    let value = match name {
        "id" => framed.id(),
        "to" => framed.to(),
        _ => framed.kind(),
    };
    value.expect("the attribute").into_owned()
}

fn bind_result(id: &str) -> String {
    format!(
        "<iq id='{id}' type='result'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>romeo@xmpp.test/given</jid></bind></iq>"
    )
}

fn ended(outputs: &[Output]) -> &StreamFault {
    let Some(Output::Ended(fault)) = outputs.last() else { panic!("not ended: {outputs:?}") };
    fault
}

#[test]
fn the_servers_answer_decides_the_full_jid() {
    let mut stream = Stream::new();
    let bind = stream.written(START);
    assert!(bind.contains("<resource>focus1-x&amp;y</resource>"), "{bind}");
    let outputs = stream.says(&bind_result(&attribute(&bind, "id")));
    assert_eq!(outputs, [Output::Bound(FullJid::new("romeo@xmpp.test/given").expect("a JID"))]);
}

/// XM-19: a resource that was bound on the way in needs no request.
#[test]
fn a_stream_that_is_bound_is_up_at_once() {
    let mut stream = Stream::new();
    let jid = FullJid::new("romeo@xmpp.test/focus1~x").expect("a JID");
    stream.input(Input::Send(Bytes::from_static(b"<presence/>")));
    let outputs = stream.input(Input::StartBound { jid: jid.clone(), resumable: true });
    let [Output::Bound(bound), Output::Write(enable), Output::Write(waited)] = outputs.as_slice() else {
        panic!("{outputs:?}")
    };
    assert_eq!((bound, text(waited)), (&jid, "<presence/>".to_owned()));
    assert!(text(enable).starts_with("<enable "));
    assert!(stream.machine.is_up());
}

#[test]
fn no_presence_is_ever_sent_for_the_account() {
    let mut stream = Stream::new();
    let mut written = stream.written(START);
    for output in stream.says(&bind_result(&attribute(&written, "id"))).into_iter().chain(stream.wait(SILENCE)) {
        if let Output::Write(bytes) = output {
            written.push_str(&text(&bytes));
        }
    }
    assert!(written.contains("<ping") && !written.contains("<presence"), "{written}");
}

#[test]
fn stanzas_before_the_answer_and_answers_to_others_do_not_bind() {
    let mut stream = Stream::new();
    stream.input(START);
    let early = stream.says("<iq id='other' type='result'/><message from='capulet@muc.test/x'/>");
    assert_eq!(early, [Output::Ignored(Ignored::NotUp), Output::Ignored(Ignored::NotUp)]);
}

#[test]
fn a_refused_or_missing_bind_ends_the_stream_with_its_reason() {
    let mut stream = Stream::new();
    let id = attribute(&stream.written(START), "id");
    let outputs = stream.says(&format!(
        "<iq id='{id}' type='error'><error type='wait'><resource-constraint xmlns='s'/><text xmlns='s'>ten &lt; eleven</text></error></iq>"
    ));
    assert_eq!(*ended(&outputs), StreamFault::BindRefused("resource-constraint: ten < eleven".into()));

    let mut stream = Stream::new();
    stream.input(START);
    assert_eq!(stream.wait(BIND - Duration::from_millis(1)), []);
    assert_eq!(*ended(&stream.wait(Duration::from_millis(1))), StreamFault::BindTimeout);

    let mut stream = Stream::new();
    let id = attribute(&stream.written(START), "id");
    let outputs = stream.says(&format!("<iq id='{id}' type='result'><bind><jid>romeo@xmpp.test</jid></bind></iq>"));
    assert!(matches!(ended(&outputs), StreamFault::BindRefused(_)));
}

#[test]
fn a_stanza_of_a_wanted_room_or_its_occupant_goes_to_that_room() {
    let mut stream = Stream::up();
    for from in
        ["capulet@muc.test", "capulet@muc.test/Juliet &amp; co/x", "Capulet@MUC.test/x", "capulet&#64;muc.test/x"]
    {
        for kind in ["message", "presence"] {
            let outputs = stream.says(&format!("<{kind} from='{from}' to='romeo@xmpp.test/given'/>"));
            let [Output::ToRoom { room: to, stanza }] = outputs.as_slice() else { panic!("{outputs:?}") };
            assert_eq!((to, stanza.name()), (&room(), kind));
        }
    }
    let outputs = stream.says("<iq from='capulet@muc.test' type='result' id='disco'/>");
    assert!(matches!(outputs.as_slice(), [Output::ToRoom { .. }]));
}

#[test]
fn a_stanza_of_anybody_else_is_ignored() {
    let mut stream = Stream::up();
    for from in ["montague@muc.test/x", "capulet@muc.test.evil/x", "mallory@x/capulet@muc.test", "capulet", "", "@/"] {
        let outputs =
            stream.says(&format!("<message from='{from}'><subject>from='capulet@muc.test'</subject></message>"));
        assert_eq!(outputs, [Output::Ignored(Ignored::NotARoom { from: Some(from.into()) })]);
    }
    assert_eq!(stream.says("<presence/>"), [Output::Ignored(Ignored::NotARoom { from: None })]);
    let named = Ignored::NotAStanza { name: "stream:features".into() };
    assert_eq!(stream.says("<stream:features/>"), [Output::Ignored(named)]);
    stream.input(Input::Leave(&room()));
    let outputs = stream.says("<message from='capulet@muc.test/x'/>");
    assert!(matches!(outputs.as_slice(), [Output::Ignored(Ignored::NotARoom { .. })]));
}

/// XM-12.
#[test]
fn an_invitation_is_handed_out_whoever_sent_it() {
    let mut stream = Stream::up();
    let direct = "<x xmlns='jabber:x:conference' jid='montague@muc.test'/>";
    let mediated = "<x xmlns='http://jabber.org/protocol/muc#user'><invite from='juliet@xmpp.test'/></x>";
    for payload in [direct, mediated] {
        let outputs = stream.says(&format!("<message from='montague@muc.test'>{payload}</message>"));
        assert!(matches!(outputs.as_slice(), [Output::Stray(_)]), "{outputs:?}");
        for kind in ["error", "groupchat"] {
            let outputs = stream.says(&format!("<message type='{kind}' from='montague@muc.test'>{payload}</message>"));
            assert!(matches!(outputs.as_slice(), [Output::Ignored(_)]), "{outputs:?}");
        }
        let outputs = stream.says(&format!("<message from='capulet@muc.test'>{payload}</message>"));
        assert!(matches!(outputs.as_slice(), [Output::ToRoom { .. }]), "he is there: {outputs:?}");
    }
}

/// XM-10.
#[test]
fn ping_disco_and_version_are_answered_also_when_an_occupant_asks() {
    let mut stream = Stream::up();
    for from in ["", " from='xmpp.test'", " from='capulet@muc.test/It&apos;s &lt;me&gt;'"] {
        for (payload, content) in [
            ("<ping xmlns='urn:xmpp:ping'/>", "</iq>"),
            ("<query xmlns='http://jabber.org/protocol/disco#info'/>", "<feature var='urn:xmpp:ping'/>"),
            ("<query xmlns=\"jabber:iq:version\"/>", "<name>mucfocus</name>"),
        ] {
            let answer = stream.answer_to(&format!("<iq type='get' id='a&quot;&apos;&lt;b'{from}>{payload}</iq>"));
            assert!(answer.contains(content), "{answer}");
            assert_eq!((attribute(&answer, "type").as_str(), attribute(&answer, "id").as_str()), ("result", "a\"'<b"));
            if from.contains("capulet") {
                assert_eq!(attribute(&answer, "to"), "capulet@muc.test/It's <me>");
            }
        }
    }
}

/// XM-10.
#[test]
fn every_other_request_is_answered_with_service_unavailable() {
    let mut stream = Stream::up();
    for (kind, payload) in [
        ("get", "<vCard xmlns='vcard-temp'/>"),
        ("set", "<ping xmlns='urn:xmpp:ping'/>"),
        ("set", "<query xmlns='jabber:iq:roster'><item jid='ping'/></query>"),
        ("get", "<ping xmlns='urn:example'/>"),
        ("get", "<x><ping xmlns='urn:xmpp:ping'/></x>"),
        ("get", ""),
    ] {
        let answer = stream.answer_to(&format!("<iq type='{kind}' id='1' from='capulet@muc.test/A'>{payload}</iq>"));
        assert!(answer.contains("<service-unavailable ") && attribute(&answer, "type") == "error", "{answer}");
    }
    let node = "<query xmlns='http://jabber.org/protocol/disco#info' node='x'/>";
    assert!(stream.answer_to(&format!("<iq type='get' id='1' from='a@b/c'>{node}</iq>")).contains("<item-not-found "));
}

/// RFC 6121 §8.5.1: one to one, there is nobody to talk to.
#[test]
fn who_speaks_to_the_account_itself_learns_that_it_reached_nobody() {
    let mut stream = Stream::up();
    let other = "<thread>t</thread><body xml:lang='it'>O <![CDATA[<]]></body><request xmlns='urn:xmpp:receipts'/>";
    for (kind, payload) in [
        (" type='chat'", "<body>Wherefore art thou?</body>"),
        (" type='normal'", "<subject>s</subject><body/>"),
        ("", "<body xmlns='jabber:client'>x</body>"),
        (" type='what'", other), // RFC 6121 §5.2.2
        (" type='chat'", "<body>jabber:x:conference</body>"),
    ] {
        let message = format!("<message from='juliet@xmpp.test/x&amp;y' id='a&quot;b'{kind}>{payload}</message>");
        let mut outputs = stream.says(&message);
        if let [Output::Stray(stanza)] = outputs.as_slice() {
            outputs = stream.input(Input::NoInvitation(stanza.clone()));
        }
        let Some(Output::Write(answer)) = outputs.first() else { panic!("{message}: {outputs:?}") };
        let answer = text(answer);
        assert_eq!((attribute(&answer, "type").as_str(), attribute(&answer, "id").as_str()), ("error", "a\"b"));
        assert_eq!(attribute(&answer, "to"), "juliet@xmpp.test/x&y");
        assert!(answer.contains("<error type='cancel'><service-unavailable ") && answer.ends_with("</message>"));
    }
}

#[test]
fn what_has_no_words_for_one_reader_is_not_answered() {
    let mut stream = Stream::up();
    let body = "<body>x</body>";
    let private = format!("{body}<x xmlns='http://jabber.org/protocol/muc#user'/>");
    for (kind, payload) in [
        ("error", body),
        ("headline", body),
        ("groupchat", body),
        ("chat", "<composing xmlns='http://jabber.org/protocol/chatstates'/>"),
        ("chat", "<received xmlns='urn:xmpp:receipts' id='1'/>"),
        ("normal", "<subject>only that</subject>"),
        ("chat", "<html><body>x</body></html>"),
        ("chat", "<body xmlns='urn:example'>x</body>"),
        ("chat", &private),
    ] {
        let outputs = stream.says(&format!("<message from='montague@muc.test/x' type='{kind}'>{payload}</message>"));
        assert!(matches!(outputs.as_slice(), [Output::Ignored(Ignored::NotARoom { .. })]), "{outputs:?}");
    }
    assert!(
        !stream.says(&format!("<message>{body}</message>")).iter().any(|output| matches!(output, Output::Write(_)))
    );
    // An occupant of a room that we are in.
    let outputs = stream.says(&format!("<message from='capulet@muc.test/x' type='chat'>{body}</message>"));
    assert!(matches!(outputs.as_slice(), [Output::ToRoom { .. }]), "{outputs:?}");
    // Where there is no place for answers.
    stream.machine.let_answer(false);
    let outputs = stream.says(&format!("<message from='juliet@xmpp.test/x' type='chat'>{body}</message>"));
    assert!(matches!(outputs.as_slice(), [Output::Ignored(_)]), "{outputs:?}");
}

#[test]
fn a_silent_server_is_asked_once_and_then_given_up() {
    let mut stream = Stream::up();
    assert_eq!(stream.wait(SILENCE - Duration::from_millis(1)), []);
    let outputs = stream.wait(Duration::from_millis(1));
    let [Output::Write(ping)] = outputs.as_slice() else { panic!("{outputs:?}") };
    assert!(text(ping).contains("<ping xmlns='urn:xmpp:ping'/>"));
    assert_eq!(stream.wait(PATIENCE - Duration::from_millis(1)), []);
    assert_eq!(*ended(&stream.wait(Duration::from_millis(1))), StreamFault::Silent);
    assert_eq!(stream.machine.next_timeout(), None);
}

#[test]
fn any_sign_of_life_keeps_the_stream() {
    let mut stream = Stream::up();
    for sign in [" ", "<message from='x@y'/>", "<mess", "age/>"] {
        stream.wait(SILENCE - Duration::from_secs(1));
        stream.says(sign);
    }
    let outputs = stream.wait(SILENCE);
    let [Output::Write(ping)] = outputs.as_slice() else { panic!("{outputs:?}") };
    let id = attribute(&text(ping), "id");
    stream.wait(PATIENCE - Duration::from_secs(1));
    // The answer is our own affair, refusal or not.
    assert_eq!(stream.says(&format!("<iq type='error' id='{id}' from='xmpp.test'><error/></iq>")), []);
    assert_eq!(stream.wait(SILENCE - Duration::from_millis(1)), []);
    assert!(matches!(stream.wait(Duration::from_millis(1)).as_slice(), [Output::Write(_)]));
}

#[test]
fn the_condition_of_a_stream_error_is_known() {
    let mut stream = Stream::up();
    let outputs = stream.says(
        "<stream:error><system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
         <text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>Received SIGTERM</text></stream:error></stream:stream>",
    );
    let fault = StreamFault::ServerError { condition: "system-shutdown".into(), text: "Received SIGTERM".into() };
    assert_eq!(outputs, [Output::Write("</stream:stream>".into()), Output::Ended(fault.clone())]);
    assert_eq!(
        std::string::ToString::to_string(&fault),
        "the server ended the stream: system-shutdown: Received SIGTERM"
    );
}

#[test]
fn the_end_of_the_stream_and_of_the_connection_are_told_apart() {
    assert_eq!(*ended(&Stream::up().says("</stream:stream>")), StreamFault::ClosedByServer);
    let gone = Stream::up().input(Input::Disconnected("reset".into()));
    assert_eq!(gone, [Output::Ended(StreamFault::Disconnected("reset".into()))]);
}

#[test]
fn a_violation_tells_the_server_and_ends_the_stream() {
    for (bytes, condition, fault) in [
        ("<a></b>", "not-well-formed", Violation::NotWellFormed),
        ("<!-- x -->", "restricted-xml", Violation::Restricted),
        ("text", "not-well-formed", Violation::TextBetweenStanzas),
    ] {
        let mut stream = Stream::up();
        let outputs = stream.says(bytes);
        let [Output::Write(error), Output::Ended(ended)] = outputs.as_slice() else { panic!("{outputs:?}") };
        assert!(text(error).starts_with(&format!("<stream:error><{condition} ")), "{error:?}");
        assert_eq!(*ended, StreamFault::Violation(fault));
        assert_eq!(stream.says("<message from='capulet@muc.test/x'/>"), [], "nothing follows the end");
    }
}

#[test]
fn what_one_occupant_sends_does_not_end_the_stream() {
    let mut stream = Stream::up();
    let outputs = stream.says(&format!(
        "<message from='capulet@muc.test/Mallory'>{}</message><message from='capulet@muc.test/Juliet'/>",
        "<x>".repeat(100) + &"</x>".repeat(100)
    ));
    let [Output::Ignored(Ignored::Skipped(skipped)), Output::ToRoom { .. }] = outputs.as_slice() else {
        panic!("{outputs:?}")
    };
    assert_eq!(skipped.from.as_deref(), Some("capulet@muc.test/Mallory"));
}

#[test]
fn a_graceful_close_waits_for_the_servers_end_but_not_for_ever() {
    let mut stream = Stream::up();
    assert_eq!(stream.written(Input::Close), "</stream:stream>");
    assert_eq!(stream.input(Input::Close), []);
    assert_eq!(stream.says("<message from='capulet@muc.test/x'/>"), [Output::Ignored(Ignored::NotUp)]);
    assert_eq!(stream.says("</stream:stream>"), [Output::Ended(StreamFault::Closed)]);

    let mut stream = Stream::up();
    stream.input(Input::Close);
    assert_eq!(stream.wait(CLOSE), [Output::Ended(StreamFault::Closed)]);

    let mut stream = Stream::up();
    stream.input(Input::Close);
    assert_eq!(stream.input(Input::Disconnected("eof".into())), [Output::Ended(StreamFault::Closed)]);
}
