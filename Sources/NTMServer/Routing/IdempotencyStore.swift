/// Replies to requests that came with an `Idempotency-Key`, so that a request sent again is answered
/// again and not carried out again (IETF draft-ietf-httpapi-idempotency-key-header-07).
///
/// A key is kept with a reply that was a success; a refusal changed nothing, so its key is free again.
final class IdempotencyStore: Sendable {
  private let table: Lock<KeyTable>
  private let clock: ServerClock
  /// The age of the store when the server started.
  private let start: Int64
  /// The limits of the last trim of the store.
  private let trimmed = Lock((expired: Int64(0), bodies: Int64(0)))

  /// - Parameters:
  ///   - replies: from before the server was started, the oldest first
  ///   - clock: measures how long keys are kept
  init(
    _ replies: [KeyedReply] = [], limits: KeyTable.Limits = KeyTable.Limits(),
    clock: ServerClock = ServerClock()
  ) {
    self.clock = clock
    start = replies.reduce(0) { max($0, $1.order) }
    var table = KeyTable(limits)
    for reply in replies { table.restore(reply) }
    self.table = Lock(table)
  }

  /// Milliseconds that servers have run with this store, as far as its replies say: a clock that the
  /// wall clock has no part in and that stands still while no server runs.
  var age: Int64 { start + (clock.now.milliseconds - clock.start.milliseconds) }

  /// The replies that are remembered, the oldest first.
  var replies: [KeyedReply] { table.withLock { $0.replies } }

  /// Characters of a key.
  static let longestKey = 255

  /// For tests that look for leaks.
  var queueLength: Int { table.withLock { $0.queueLength } }
  var bytes: Int { table.withLock { $0.bytes } }

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
        request.list(.accept), request.header(.contentType),
        request.header("inference-header-content-length"),
      ].map { $0 ?? "" }
    return Fingerprint(texts.map { Array($0.utf8) } + [request.body])
  }

  /// Carries a request out, unless its key says that it has been.
  ///
  /// - Throws: `Problem` 422 where the key belongs to another request, 409 while the first one with
  ///   this key is being carried out or if its reply is not kept any more, 503 if there is no room for
  ///   another key, or what `handle` throws.
  func run(
    _ key: String, _ request: HTTPRequest,
    _ handle: (KeyClaim) throws(Problem) -> HTTPOutcome
  ) throws(Problem) -> HTTPOutcome {
    let fingerprint = Self.fingerprint(request)
    let id = KeyID(key, scope: request.note { $0.keyName })
    let age = age
    let arrival = table.withLock {
      $0.arrive(id, unscoped: KeyID(unscoped: key), KeyFingerprint(fingerprint), at: age)
    }
    switch arrival {
    case .replayed(var response):
      if response.header(HTTPResponse.replayedHeader.name) == nil {
        response.headers.append(HTTPResponse.replayedHeader)
      }
      return .respond(response)
    case .first(let id, let number, let parts):
      let claim = KeyClaim(id, fingerprint, arrival: age, parts: parts) { claim, response in
        let kept = response.flatMap { (200..<300).contains($0.status) ? $0 : nil }
        self.table.withLock { $0.finish(claim.id, number, kept, claim.applied) }
      }
      return try run(claim, handle)
    case .running, .different, .forgotten, .full: throw refusal(key, arrival)
    }
  }

  private func refusal(_ key: String, _ arrival: KeyTable.Arrival) -> Problem {
    switch arrival {
    case .running:
      return Problem(
        .keyInUse, "a request with Idempotency-Key \"\(key)\" is being carried out; ask again later"
      )
    case .forgotten(let applied): return .replyForgotten(applied)
    case .full(let milliseconds):
      return Problem(
        .limitReached,
        "the server has no room for another Idempotency-Key; the request was not carried out. Keys "
          + "are kept for --idempotency-ttl, within --max-idempotency-bytes",
        fields: ["limit": .text("max_idempotency_bytes")],
        headers: ["Retry-After": String(min(3600, milliseconds / 1000 + 1))])
    case .different, .first, .replayed:
      return Problem(
        .keyReused,
        "Idempotency-Key \"\(key)\" belongs to another request; a new request needs a new key")
    }
  }

  private func run(
    _ claim: KeyClaim, _ handle: (KeyClaim) throws(Problem) -> HTTPOutcome
  ) throws(Problem) -> HTTPOutcome {
    let outcome: HTTPOutcome
    do throws(Problem) {
      outcome = try handle(claim)
    } catch {
      claim.answered(nil)
      throw error
    }
    switch outcome {
    case .respond(let response):
      claim.answered(response)
      return outcome
    case .offload(let work):
      // A request that the transport gave up before its start was not carried out.
      let pending = Pending { claim.answered($0) }
      return .offload {
        let response = work()
        pending.finish(response)
        return response
      }
    case .later(let start):
      let pending = Pending { claim.answered($0) }
      return .later { completion in
        start(
          completion.observed { reply in
            if case .whole(let response) = reply { pending.finish(response) }
          })
      }
    case .stream:
      // A stream is not kept, so it can't be given again.
      claim.answered(nil)
      return outcome
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

  // MARK: The store

  /// Forgets keys whose time is over, and has a store forget what this has forgotten.
  func trim(_ store: any SessionStore) {
    let age = age
    let (expired, bodies) = table.withLock { table in
      table.expire(at: age)
      return (age - table.limits.milliseconds, table.bodiesSince)
    }
    guard trimmed.withLock({ expired > $0.expired || bodies > $0.bodies }) else { return }
    do throws(StoreError) {
      let last = trimmed.withLock { $0.bodies }
      try store.trimReplies(before: expired, bodies: last..<max(last, bodies))
      trimmed.withLock { $0 = (max(0, expired), bodies) }
    } catch {
      // It is tried again the next time.
    }
  }
}

extension HTTPResponse {
  static let replayedHeader = (name: "Idempotent-Replayed", value: "true")
}

extension Problem {
  /// A request was carried out, or a part of it, and its reply is not kept any more.
  static func replyForgotten(_ applied: AppliedSteps?) -> Problem {
    var fields: [String: Field] = [:]
    var detail = "the request with this Idempotency-Key was carried out before"
    if let (session, step) = applied?.single {
      detail += " and took session \"\(session)\" to step \(step)"
      fields = ["session": .text(session), "step": .number(step)]
    } else if let applied {
      fields["applied_steps"] = .list(applied.list)
    }
    return Problem(.replyForgotten, detail + "; its reply is not kept any more", fields: fields)
  }
}
