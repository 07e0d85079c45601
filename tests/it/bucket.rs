//! An object store in memory with the parts of the S3 and Google Cloud Storage protocols that
//! the program uses, with path-style URLs and without checking signatures. It can fail on demand.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use engine::calendar::Day;
use engine::storage::Digest;

const BUCKET: &str = "bucket";
const KEY: &str = "the-key";
/// Objects in one answer to a request for a list.
const PAGE: usize = 20;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// This one and all later ones are refused, as when credentials expire.
    Refused,
    /// The connection is cut before anything happens, now and from now on.
    Cut,
    /// It is done, but the connection is cut before the answer; later ones succeed.
    Unanswered,
    /// Before it is answered, the content of all objects is replaced.
    Replaced(&'static [u8]),
}

#[derive(Default)]
struct State {
    /// Content and time.
    objects: BTreeMap<String, (Vec<u8>, u64)>,
    requests: u64,
    /// From which request on.
    failure: Option<(u64, Failure)>,
    /// Writers of a key with this ending wait for each other: how many are expected, and have come.
    meeting: Option<(String, usize, usize)>,
    delay: Duration,
    /// Requests for Parquet files that wait for their answers, and most of them so far.
    waiting: (usize, usize),
    is_forgetful: bool,
}

/// A bucket; its server runs until the process ends.
#[derive(Clone)]
pub(crate) struct Bucket {
    port: u16,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl Bucket {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let bucket = Self { port: listener.local_addr().unwrap().port(), state: Arc::default() };
        let server = bucket.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let server = server.clone();
                std::thread::spawn(move || server.serve(stream.unwrap()));
            }
        });
        bucket
    }

    /// Points a program to this server.
    pub(crate) fn point(&self, command: &mut Command) {
        command
            .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port))
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_ACCESS_KEY_ID", KEY)
            .env("AWS_SECRET_ACCESS_KEY", "secret");
    }

    /// Points a program to this server as to Google's.
    pub(crate) fn point_google(&self, command: &mut Command) {
        let account = format!(
            "{{\"gcs_base_url\": \"http://127.0.0.1:{}\", \"disable_oauth\": true, \
             \"client_email\": \"\", \"private_key\": \"\", \"private_key_id\": \"\"}}",
            self.port
        );
        command.env("GOOGLE_SERVICE_ACCOUNT_KEY", account).env("GOOGLE_ALLOW_HTTP", "true");
    }

    /// Requests so far.
    pub(crate) fn requests(&self) -> u64 {
        self.lock().requests
    }

    /// Requests fail after so many more.
    pub(crate) fn fail_after(&self, requests: u64, failure: Failure) {
        let mut state = self.lock();
        state.failure = Some((state.requests + requests, failure));
    }

    /// Requests succeed again.
    pub(crate) fn stop_failing(&self) {
        self.lock().failure = None;
    }

    /// Every answer is delayed.
    pub(crate) fn delay(&self, delay: Duration) {
        self.lock().delay = delay;
    }

    /// Most requests for Parquet files that waited at the same time, since the last call.
    pub(crate) fn most_concurrent(&self) -> usize {
        std::mem::take(&mut self.lock().waiting.1)
    }

    /// `If-None-Match` is ignored, as by older servers.
    pub(crate) fn ignore_if_none_match(&self) {
        self.lock().is_forgetful = true;
    }

    /// Two writers of a key with this ending wait for each other.
    pub(crate) fn synchronize_writers(&self, key: &str) {
        self.lock().meeting = Some((key.to_owned(), 2, 0));
    }

    /// Sets the times of all objects back.
    pub(crate) fn backdate(&self, by: Duration) {
        for (_, time) in self.lock().objects.values_mut() {
            *time -= by.as_secs();
        }
    }

    /// Keys of all objects.
    pub(crate) fn keys(&self) -> BTreeSet<String> {
        self.lock().objects.keys().cloned().collect()
    }

    pub(crate) fn remove(&self, key: &str) {
        self.lock().objects.remove(key);
    }

    /// The content of an object.
    pub(crate) fn read(&self, key: &str) -> Option<Vec<u8>> {
        self.lock().objects.get(key).map(|(content, _)| content.clone())
    }

    pub(crate) fn clear(&self) {
        self.lock().objects.clear();
    }

    /// Writes an object.
    pub(crate) fn write(&self, key: &str, content: impl AsRef<[u8]>) {
        self.lock().objects.insert(key.to_owned(), (content.as_ref().to_vec(), now()));
    }

    /// Changes a byte of an object.
    pub(crate) fn flip(&self, key: &str) {
        let mut state = self.lock();
        let bytes = &mut state.objects.get_mut(key).unwrap().0;
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.0.lock().unwrap()
    }

    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut stream = stream;
        stream.set_nodelay(true).unwrap();
        while let Some(request) = Request::read(&mut reader) {
            let failure = {
                let mut state = self.lock();
                state.requests += 1;
                let number = state.requests;
                let failure = state.failure.filter(|(after, _)| number > *after);
                if let Some((_, Failure::Unanswered | Failure::Replaced(_))) = failure {
                    state.failure = None;
                }
                if let Some((_, Failure::Replaced(content))) = failure {
                    state.objects.values_mut().for_each(|(bytes, _)| *bytes = content.to_vec());
                }
                failure.map(|(_, failure)| failure)
            };
            let answer = match failure {
                Some(Failure::Cut) => return,
                Some(Failure::Refused) => Answer::error(403, "ExpiredToken"),
                Some(Failure::Unanswered) => {
                    self.answer(&request);
                    return;
                }
                Some(Failure::Replaced(_)) | None => self.answer(&request),
            };
            let parquet = usize::from(request.path.ends_with(".parquet"));
            let delay = {
                let mut state = self.lock();
                let (now, most) = state.waiting;
                state.waiting = (now + parquet, most.max(now + parquet));
                state.delay
            };
            std::thread::sleep(delay);
            self.lock().waiting.0 -= parquet;
            if answer.write(&request.method, &mut stream).is_err() {
                return;
            }
        }
    }

    fn answer(&self, request: &Request) -> Answer {
        let who = request.header("authorization");
        if who.starts_with("AWS4") && !who.contains(&format!("Credential={KEY}/")) {
            return Answer::error(403, "InvalidAccessKeyId");
        }
        let path = request.path.trim_start_matches('/');
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        if bucket != BUCKET {
            return Answer::error(404, "NoSuchBucket");
        }
        let key = decoded(key);
        match request.method.as_str() {
            "PUT" => self.put(request, key),
            "DELETE" => {
                self.lock().objects.remove(&key);
                Answer { status: 204, ..Answer::page(String::new()) }
            }
            "POST" => self.delete(&String::from_utf8_lossy(&request.body)),
            _ if key.is_empty() => self.list(&request.query),
            _ => self.get(request, &key),
        }
    }

    fn put(&self, request: &Request, key: String) -> Answer {
        let mut state = self.lock();
        if let Some((end, wanted, there)) = &mut state.meeting
            && key.ends_with(end.as_str())
        {
            *there += 1;
            let wanted = *wanted;
            self.state.1.notify_all();
            let is_alone =
                |state: &mut State| state.meeting.as_ref().is_some_and(|(_, _, t)| *t < wanted);
            let limit = Duration::from_secs(10);
            state = self.state.1.wait_timeout_while(state, limit, is_alone).unwrap().0;
        }
        let must_be_new = request.header("if-none-match") == "*"
            || request.header("x-goog-if-generation-match") == "0";
        let keeps = must_be_new && !state.is_forgetful;
        if keeps && state.objects.contains_key(&key) {
            return Answer::error(412, "PreconditionFailed");
        }
        state.objects.insert(key, (request.body.clone(), now()));
        let headers = vec![format!("ETag: {}", tag(&request.body))];
        Answer { status: 200, headers, body: Vec::new() }
    }

    fn delete(&self, body: &str) -> Answer {
        let mut xml = String::from("<DeleteResult>");
        for part in body.split("<Key>").skip(1) {
            let key = part.split("</Key>").next().unwrap();
            self.lock().objects.remove(key);
            xml.push_str(&format!("<Deleted><Key>{key}</Key></Deleted>"));
        }
        Answer::page(xml + "</DeleteResult>")
    }

    fn get(&self, request: &Request, key: &str) -> Answer {
        let state = self.lock();
        let Some((bytes, time)) = state.objects.get(key) else {
            return Answer::error(404, "NoSuchKey");
        };
        let wanted = request.header("if-match");
        if !wanted.is_empty() && wanted != tag(bytes) {
            return Answer::error(412, "PreconditionFailed");
        }
        let mut headers =
            vec![format!("Last-Modified: {}", date(*time)), format!("ETag: {}", tag(bytes))];
        let range = request.header("range");
        let Some((from, to)) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-'))
        else {
            return Answer { status: 200, headers, body: bytes.clone() };
        };
        let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
        let to = to.min(bytes.len() - 1);
        headers.push(format!("Content-Range: bytes {from}-{to}/{}", bytes.len()));
        Answer { status: 206, headers, body: bytes[from..=to].to_vec() }
    }

    fn list(&self, query: &BTreeMap<String, String>) -> Answer {
        let of = |name: &str| query.get(name).map_or("", String::as_str);
        let (prefix, delimiter) = (of("prefix"), of("delimiter"));
        let after = of("continuation-token").max(of("start-after")).to_owned();
        let (mut xml, mut parts, mut last, mut count) =
            (String::new(), BTreeSet::new(), String::new(), 0);
        for (key, (bytes, time)) in self.lock().objects.iter() {
            let Some(rest) = key.strip_prefix(prefix).filter(|_| *key > after) else { continue };
            if count == PAGE {
                xml.push_str(&format!(
                    "<NextContinuationToken>{last}</NextContinuationToken>\
                     <IsTruncated>true</IsTruncated>"
                ));
                break;
            }
            (count, last) = (count + 1, key.clone());
            match rest.split_once('/').filter(|_| !delimiter.is_empty()) {
                Some((part, _)) => _ = parts.insert(format!("{prefix}{part}/")),
                None => xml.push_str(&format!(
                    "<Contents><Key>{key}</Key><Size>{}</Size><ETag>{}</ETag>\
                     <LastModified>{}</LastModified></Contents>",
                    bytes.len(),
                    tag(bytes),
                    stamp(*time)
                )),
            }
        }
        for part in parts {
            xml.push_str(&format!("<CommonPrefixes><Prefix>{part}</Prefix></CommonPrefixes>"));
        }
        Answer::page(format!("<ListBucketResult>{xml}</ListBucketResult>"))
    }
}

struct Request {
    method: String,
    path: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Request {
    /// The next request of a connection; `None` at its end.
    fn read(reader: &mut impl BufRead) -> Option<Self> {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let mut words = line.split_whitespace();
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let query = query.split('&').filter_map(|pair| pair.split_once('='));
        let query = query
            .map(|(name, value)| (name.to_owned(), decoded(&value.replace('+', " "))))
            .collect();
        Some(Self { method, path: path.to_owned(), query, headers, body })
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

struct Answer {
    status: u16,
    headers: Vec<String>,
    body: Vec<u8>,
}

impl Answer {
    fn page(body: String) -> Self {
        Self { status: 200, headers: Vec::new(), body: body.into_bytes() }
    }

    fn error(status: u16, code: &str) -> Self {
        let body = format!("<Error><Code>{code}</Code></Error>");
        Self { status, ..Self::page(body) }
    }

    fn write(&self, method: &str, stream: &mut TcpStream) -> std::io::Result<()> {
        let mut text = format!("HTTP/1.1 {} Told\r\n", self.status);
        for header in &self.headers {
            text.push_str(&format!("{header}\r\n"));
        }
        text.push_str(&format!("Content-Length: {}\r\n\r\n", self.body.len()));
        let mut bytes = text.into_bytes();
        if method != "HEAD" {
            bytes.extend_from_slice(&self.body);
        }
        stream.write_all(&bytes)
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// The ETag of a content.
fn tag(bytes: &[u8]) -> String {
    format!("\"{}\"", Digest::of_bytes(bytes))
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next().unwrap(), rest.next().unwrap()];
            let digits = std::str::from_utf8(&digits).unwrap();
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// `2026-01-31T10:00:00.000Z`
fn stamp(seconds: u64) -> String {
    let (day, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = Day::new(day as i32).ymd();
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.000Z")
}

/// `Sat, 31 Jan 2026 10:00:00 GMT`
fn date(seconds: u64) -> String {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const WEEKDAYS: &str = "ThuFriSatSunMonTueWed";
    let stamp = stamp(seconds);
    let month: usize = stamp[5..7].parse().unwrap();
    let weekday = (seconds / 86_400 % 7) as usize * 3;
    format!(
        "{}, {} {} {} {} GMT",
        &WEEKDAYS[weekday..weekday + 3],
        &stamp[8..10],
        &MONTHS[month * 3 - 3..month * 3],
        &stamp[..4],
        &stamp[11..19]
    )
}
