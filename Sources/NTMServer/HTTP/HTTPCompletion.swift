/// An answer of either kind.
enum HTTPReply: Sendable {
  case whole(HTTPResponse)
  case stream(HTTPStreamReply)
}

/// The duty to answer one request whose handler gave `.later`. From any thread; it may be handed on
/// and kept for as long as the answer takes.
///
/// The request may be used until the answer is given. A handle that goes away without an answer
/// answers 500, so that no client waits for ever.
final class HTTPCompletion: Sendable {
  /// Called once; without a reply where there will be none. Nil from then on.
  private let answer: Lock<(@Sendable (HTTPReply?) -> Void)?>
  private let workers: WorkerPool
  private let refusal: @Sendable (HTTPRefusal) -> HTTPResponse

  /// - Parameters:
  ///   - workers: threads for the answer's sake
  ///   - refusal: what is answered where none of them can be had
  ///   - answer: receives the reply, on whatever thread gives it; nil where the handle went away
  ///     without one
  init(
    workers: WorkerPool, refusal: @escaping @Sendable (HTTPRefusal) -> HTTPResponse,
    answer: @escaping @Sendable (HTTPReply?) -> Void
  ) {
    self.answer = Lock(answer)
    self.workers = workers
    self.refusal = refusal
  }

  /// For a request of a live connection, which is suspended already.
  convenience init(_ record: RequestRecord) {
    // Held, because a record does not hold its loop: the loop is woken when the request may already
    // be over, and the server with it.
    let loop = record.loop
    self.init(
      workers: loop.workers, refusal: { loop.refusal(record, $0) },
      answer: { loop.finish(record, $0 ?? .whole(loop.refusal(record, .unanswered))) })
  }

  /// A handle that tells `observer` of the reply (nil for none) before it gives it to this one.
  func observed(by observer: @escaping @Sendable (HTTPReply?) -> Void) -> HTTPCompletion {
    HTTPCompletion(
      workers: workers, refusal: refusal,
      answer: { reply in
        observer(reply)
        // Without an answer this one goes away without it too.
        if let reply { self.finish(reply) }
      })
  }

  deinit {
    if let answer = take() { answer(nil) }
  }

  /// Answers the request. Called once, later or at once.
  func finish(_ response: HTTPResponse) {
    finish(.whole(response))
  }

  /// Answers the request with a stream, which begins on the event loop. Instead of the other
  /// `finish`.
  func finish(_ reply: HTTPStreamReply) {
    finish(.stream(reply))
  }

  /// Has a worker do something for this request, which answers it or hands the handle on.
  ///
  /// - Parameters:
  ///   - isAdmitted: as for `WorkerPool.submit`
  ///   - refused: what to do where no worker can be had; without it, the request is refused
  ///   - work: done on a worker
  func perform(
    isAdmitted: Bool = false, refused: (@Sendable (HTTPRefusal) -> Void)? = nil,
    _ work: @escaping @Sendable () -> Void
  ) {
    workers.submit(
      WorkerPool.Item(
        run: work, refuse: refused ?? { self.finish(.whole(self.refusal($0))) }),
      isAdmitted: isAdmitted)
  }

  private func finish(_ reply: HTTPReply) {
    guard let answer = take() else { preconditionFailure("a request was answered twice") }
    answer(reply)
  }

  private func take() -> (@Sendable (HTTPReply?) -> Void)? {
    answer.withLock { answer in
      defer { answer = nil }
      return answer
    }
  }
}
