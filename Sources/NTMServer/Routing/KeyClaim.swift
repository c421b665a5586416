/// The identity of an `Idempotency-Key`: a hash of the key and its scope, which is the name of the API
/// key that the request was sent with.
struct KeyID: Hashable, Sendable {
  private let high: UInt64
  private let low: UInt64

  /// - Parameter scope: nil for requests without an API key, which share one scope
  init(_ key: String, scope: String?) {
    self.init(Fingerprint([Array((scope ?? "").utf8), Array(key.utf8)]))
  }

  /// A key that a version without scopes has stored. It is in all scopes.
  init(unscoped key: String) { self.init(Fingerprint([Array(key.utf8)])) }

  private init(_ hash: Fingerprint) {
    let words = KeyFingerprint(hash)
    (high, low) = (words.high, words.low)
  }

  /// As `text` wrote it.
  init?(text: String) {
    guard text.utf8.count == 32, let high = UInt64(text.prefix(16), radix: 16),
      let low = UInt64(text.suffix(16), radix: 16)
    else { return nil }
    (self.high, self.low) = (high, low)
  }

  /// 32 hexadecimal digits.
  var text: String { Self.hexadecimal(high) + Self.hexadecimal(low) }

  private static func hexadecimal(_ word: UInt64) -> String {
    let digits = String(word, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}

/// The first 16 bytes of a request's fingerprint.
struct KeyFingerprint: Equatable, Sendable {
  let high: UInt64
  let low: UInt64

  init(_ fingerprint: Fingerprint) {
    let word = { (bytes: ArraySlice<UInt8>) in bytes.reduce(UInt64(0)) { $0 << 8 | UInt64($1) } }
    high = word(fingerprint.bytes.prefix(8))
    low = word(fingerprint.bytes.dropFirst(8).prefix(8))
  }

  var fingerprint: Fingerprint {
    Fingerprint(
      bytes: [high, low].flatMap { word in
        (0..<8).reversed().map { UInt8(truncatingIfNeeded: word >> (8 * UInt64($0))) }
      })
  }
}

/// Sessions that a request has changed and the step that each of them is at: "ID STEP", separated by
/// commas.
struct AppliedSteps: Equatable, Sendable {
  private(set) var text: String

  init(text: String) { self.text = text }
  init(_ session: String, step: Int) { text = "\(session) \(step)" }

  init(_ all: [AppliedSteps]) { text = all.map(\.text).joined(separator: ",") }

  /// Session and step if there is one session.
  var single: (session: String, step: Int)? {
    let parts = text.split(separator: " ")
    guard parts.count == 2, let step = Int(parts[1]) else { return nil }
    return (String(parts[0]), step)
  }

  var list: [String] { text.split(separator: ",").map(String.init) }
}

/// A request's right to be carried out, as the only one of the requests with its key.
final class KeyClaim: Sendable {
  let id: KeyID
  fileprivate let fingerprint: Fingerprint
  /// When the request arrived, by `IdempotencyStore.age`.
  private let arrival: Int64
  /// Replies to parts of the request, from before the server was started: these parts have been
  /// carried out.
  let parts: [Int: KeyedReply]
  private let changes = Lock(Changes())

  private struct Changes {
    var whole: AppliedSteps?
    var parts: [Int: AppliedSteps] = [:]
    var outcome = Outcome.known
  }

  /// Whether the reply to the request says how it ended.
  private enum Outcome {
    case known
    /// The reply says that the outcome is not known yet.
    case held
    /// It became known after the reply.
    case settled
  }

  /// Notes how the request ended.
  private let end: @Sendable (KeyClaim, HTTPResponse?) -> Void

  init(
    _ id: KeyID, _ fingerprint: Fingerprint, arrival: Int64, parts: [Int: KeyedReply] = [:],
    end: @escaping @Sendable (KeyClaim, HTTPResponse?) -> Void = { _, _ in }
  ) {
    self.id = id
    self.fingerprint = fingerprint
    self.arrival = arrival
    self.parts = parts
    self.end = end
  }

  /// Keeps the key in use (409) beyond the reply to its request, until `settle`: the reply says that
  /// the outcome is not known yet.
  func hold() { changes.withLock { $0.outcome = .held } }

  /// Gives a held key the reply that repeats of its request get, or frees it.
  ///
  /// - Parameter response: nil if the request changed nothing
  func settle(_ response: HTTPResponse?) {
    changes.withLock { $0.outcome = .settled }
    end(self, response)
  }

  /// The request was answered.
  func answered(_ response: HTTPResponse?) {
    guard changes.withLock({ $0.outcome == .known }) else { return }
    end(self, response)
  }

  /// The changes that the request made.
  var applied: AppliedSteps? { changes.withLock { $0.whole } }

  /// What parts of the request have changed, also before the server was started.
  func applied(_ indices: [Int]) -> AppliedSteps? {
    let applied = changes.withLock { changes in
      indices.compactMap { changes.parts[$0] ?? parts[$0]?.applied }
    }
    return applied.isEmpty ? nil : AppliedSteps(applied)
  }

  /// The reply, to be kept with the changes that the request made.
  ///
  /// - Parameters:
  ///   - applied: the changes that the request, or this part of it, made
  ///   - part: of a request that changes several sessions, each by itself; nil for the whole
  func reply(
    _ response: HTTPResponse, _ applied: AppliedSteps?, part: Int? = nil
  ) -> KeyedReply {
    changes.withLock { changes in
      if let part { changes.parts[part] = applied } else { changes.whole = applied }
    }
    return KeyedReply(
      key: id.text, fingerprint: fingerprint, part: part, response: response, applied: applied,
      age: arrival)
  }
}
