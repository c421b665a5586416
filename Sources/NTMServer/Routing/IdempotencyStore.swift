/// A request's right to be the one that is carried out of those with its key.
struct KeyClaim: Sendable {
  let key: String
  fileprivate let fingerprint: Fingerprint
  /// Replies to parts of the request, from before the server was started: these parts have been
  /// carried out.
  let parts: [Int: HTTPResponse]
  fileprivate let store: IdempotencyStore
  fileprivate let number: Int

  /// Keeps the key in use (409) beyond the reply to its request, until `settle`: the reply says that the
  /// outcome is not known yet.
  func hold() { store.hold(self) }

  /// Gives a held key the reply that repeats of its request get, or frees it.
  ///
  /// - Parameter response: nil if the request changed nothing
  func settle(_ response: HTTPResponse?) { store.settle(self, response) }

  /// To be kept with what the request has changed.
  ///
  /// - Parameter part: of a request that changes several sessions, each by itself
  func reply(_ response: HTTPResponse, part: Int? = nil) -> KeyedReply {
    KeyedReply(key: key, fingerprint: fingerprint, part: part, response: response)
  }
}

/// Replies to requests that came with an `Idempotency-Key`, so that a request sent again is answered
/// again and not carried out again (IETF draft-ietf-httpapi-idempotency-key-header-07).
///
/// A key is remembered for as long as it is among the newest, with a reply that was a success; a
/// refusal changed nothing, so its key is free again.
final class IdempotencyStore: Sendable {
  fileprivate struct Entry {
    let fingerprint: Fingerprint
    /// nil while the request is being carried out.
    var response: HTTPResponse?
    let number: Int
    /// The request was answered, but its outcome is not known yet.
    var isHeld = false
  }

  /// What a request left that the server did not live to answer.
  private struct Remains {
    let fingerprint: Fingerprint
    var parts: [Int: HTTPResponse] = [:]
  }

  fileprivate struct Content {
    var entries: [String: Entry] = [:]
    /// Keys in the order of their requests; some are free again or came later once more.
    var order: [(number: Int, key: String)] = []
    var first = 0
    var bytes = 0
    var nextNumber = 0
  }

  private let content = Lock(Content())
  private let remains: Lock<[String: Remains]>

  /// - Parameter replies: from before the server was started, the oldest first
  init(_ replies: [KeyedReply] = []) {
    var remains: [String: Remains] = [:]
    for reply in replies {
      if let part = reply.part {
        remains[reply.key, default: Remains(fingerprint: reply.fingerprint)].parts[part] =
          reply.response
      }
    }
    self.remains = Lock(remains)
    for reply in replies where reply.part == nil {
      guard case .first(let number) = arrive(reply.key, reply.fingerprint) else { continue }
      finish(reply.key, number, reply.response)
    }
  }

  /// The replies that are remembered, the oldest first.
  var replies: [KeyedReply] {
    content.withLock { content in
      content.entries.sorted { $0.value.number < $1.value.number }.compactMap { key, entry in
        entry.response.map {
          KeyedReply(key: key, fingerprint: entry.fingerprint, part: nil, response: $0)
        }
      }
    }
  }

  /// Keys, and bytes of their replies, that are remembered.
  static let keyLimit = 10_000
  static let byteLimit = 64 << 20
  /// Characters of a key.
  static let longestKey = 255

  /// Entries of the order in which keys came, for tests of what is left behind.
  var rememberedKeys: Int { content.withLock { $0.order.count } }

  private enum Arrival {
    case first(Int)
    case replayed(HTTPResponse)
    case running
    case different
  }

  /// The key of a request: the header's value, without the quotes that the draft puts around it.
  ///
  /// - Throws: `Problem` 400 where it is empty, too long or not printable ASCII, which two clients
  ///   may send as different bytes.
  static func key(of request: HTTPRequest) throws(Problem) -> String? {
    guard let value = request.header(.idempotencyKey) else { return nil }
    var key = value[...]
    if key.count >= 2, key.first == "\"", key.last == "\"" { key = key.dropFirst().dropLast() }
    guard !key.isEmpty, key.utf8.count <= longestKey else {
      throw Problem(
        .malformedRequest,
        "Idempotency-Key has \(key.utf8.count) bytes; 1 to \(longestKey) are valid")
    }
    guard key.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else {
      throw Problem(
        .malformedRequest,
        "Idempotency-Key has characters that are not printable ASCII")
    }
    return String(key)
  }

  /// Of all that decides what is done and what is answered.
  private static func fingerprint(_ request: HTTPRequest) -> Fingerprint {
    let texts =
      [request.method, request.path]
      + StepFields.parameters.map { request.queryValue($0) ?? "" }
      + [
        request.header(.accept), request.header(.contentType),
        request.header("inference-header-content-length"),
      ].map { $0 ?? "" }
    return Fingerprint(texts.map { Array($0.utf8) } + [request.body])
  }

  /// Carries a request out, unless its key says that it has been.
  ///
  /// - Throws: `Problem` 422 where the key belongs to another request, 409 while the first one with
  ///   this key is being carried out, or what `handle` throws.
  func run(
    _ key: String, _ request: HTTPRequest,
    _ handle: (KeyClaim) throws(Problem) -> HTTPOutcome
  ) throws(Problem) -> HTTPOutcome {
    let fingerprint = Self.fingerprint(request)
    switch arrive(key, fingerprint) {
    case .replayed(let response): return .respond(response)
    case .running:
      throw Problem(
        .keyInUse, "a request with Idempotency-Key \"\(key)\" is being carried out; ask again later"
      )
    case .different:
      throw Problem(
        .keyReused,
        "Idempotency-Key \"\(key)\" belongs to another request; a new request needs a new key")
    case .first(let number):
      let outcome: HTTPOutcome
      do throws(Problem) {
        outcome = try handle(claim(key, fingerprint, number))
      } catch {
        finish(key, number, nil)
        throw error
      }
      switch outcome {
      case .respond(let response):
        finish(key, number, response)
        return outcome
      case .offload(let work):
        // What the transport gives up before it is begun was not carried out.
        let pending = Pending { self.finish(key, number, $0) }
        return .offload {
          let response = work()
          pending.finish(response)
          return response
        }
      case .later(let start):
        let pending = Pending { self.finish(key, number, $0) }
        return .later { completion in
          start(
            completion.observed { reply in
              if case .whole(let response) = reply { pending.finish(response) }
            })
        }
      case .stream:
        // A stream is not kept, so it can't be given again.
        finish(key, number, nil)
        return outcome
      }
    }
  }

  /// Tells the store once how a request ended: with a reply, or by being dropped.
  ///
  /// `@unchecked Sendable`: used by the one thread that runs the work, or drops it.
  private final class Pending: @unchecked Sendable {
    private var tell: ((HTTPResponse?) -> Void)?
    init(_ tell: @escaping (HTTPResponse?) -> Void) { self.tell = tell }
    deinit { tell?(nil) }

    func finish(_ response: HTTPResponse) {
      tell?(response)
      tell = nil
    }
  }

  private func claim(
    _ key: String, _ fingerprint: Fingerprint, _ number: Int
  ) -> KeyClaim {
    let parts = remains.withLock { remains in
      remains.isEmpty || remains[key]?.fingerprint != fingerprint ? [:] : remains[key]?.parts
    }
    return KeyClaim(
      key: key, fingerprint: fingerprint, parts: parts ?? [:], store: self, number: number)
  }

  fileprivate func hold(_ claim: KeyClaim) {
    content.withLock { content in
      guard content.entries[claim.key]?.number == claim.number else { return }
      content.entries[claim.key]?.isHeld = true
    }
  }

  fileprivate func settle(_ claim: KeyClaim, _ response: HTTPResponse?) {
    content.withLock { content in
      guard content.entries[claim.key]?.number == claim.number else { return }
      content.entries[claim.key]?.isHeld = false
    }
    finish(claim.key, claim.number, response)
  }

  private func arrive(_ key: String, _ fingerprint: Fingerprint) -> Arrival {
    content.withLock { content in
      if let entry = content.entries[key] {
        guard entry.fingerprint == fingerprint else { return .different }
        return entry.response.map { .replayed($0) } ?? .running
      }
      content.nextNumber += 1
      let number = content.nextNumber
      content.entries[key] = Entry(fingerprint: fingerprint, response: nil, number: number)
      content.order.append((number, key))
      if content.order.count > 2 * content.entries.count + 1000 { content.dropFree() }
      return .first(number)
    }
  }

  private func finish(_ key: String, _ number: Int, _ response: HTTPResponse?) {
    content.withLock { content in
      guard content.entries[key]?.number == number, content.entries[key]?.isHeld == false else {
        return
      }
      guard var response, (200..<300).contains(response.status) else {
        content.entries[key] = nil
        return
      }
      if response.header("Idempotent-Replayed") == nil {
        response.headers.append(("Idempotent-Replayed", "true"))
      }
      content.entries[key]?.response = response
      content.bytes += response.body.count
      content.forgetOldest()
    }
  }
}

extension IdempotencyStore.Content {
  /// Drops keys that are free again from the order.
  fileprivate mutating func dropFree() {
    order = order[first...].filter { entries[$0.key]?.number == $0.number }
    first = 0
  }

  /// Forgets what is beyond the limits, the oldest first. What is still being carried out stays.
  fileprivate mutating func forgetOldest() {
    var kept: [(number: Int, key: String)] = []
    while first < order.count,
      entries.count > IdempotencyStore.keyLimit || bytes > IdempotencyStore.byteLimit
    {
      let (number, key) = order[first]
      first += 1
      guard let entry = entries[key], entry.number == number else { continue }
      guard let response = entry.response else {
        kept.append((number, key))
        continue
      }
      bytes -= response.body.count
      entries[key] = nil
    }
    if !kept.isEmpty || first > order.count / 2 {
      order = kept + order[first...]
      first = 0
    }
  }
}
