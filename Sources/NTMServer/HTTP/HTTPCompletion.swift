/// The duty to answer one request whose handler gave `.later`. From any thread; it may be handed on
/// and kept for as long as the answer takes.
///
/// The request may be used until the answer is given. A handle that goes away without an answer
/// answers 500, so that no client waits for ever.
final class HTTPCompletion: Sendable {
  /// Called once; without a response where there will be none. Nil from then on.
  private let answer: Lock<(@Sendable (HTTPResponse?) -> Void)?>

  /// - Parameter answer: receives the response, on whatever thread gives it; nil where the handle
  ///   went away without one
  init(_ answer: @escaping @Sendable (HTTPResponse?) -> Void) {
    self.answer = Lock(answer)
  }

  /// For a request of a live connection, which is suspended already.
  convenience init(_ record: RequestRecord) {
    // Held, because a record does not hold its loop: the loop is woken when the request may already
    // be over, and the server with it.
    let loop = record.loop
    self.init { response in
      loop.finish(record, response ?? loop.refusal(record, .unanswered))
    }
  }

  deinit {
    if let answer = take() { answer(nil) }
  }

  /// Answers the request. Called once, later or at once.
  func finish(_ response: HTTPResponse) {
    guard let answer = take() else { preconditionFailure("a request was answered twice") }
    answer(response)
  }

  private func take() -> (@Sendable (HTTPResponse?) -> Void)? {
    answer.withLock { answer in
      defer { answer = nil }
      return answer
    }
  }
}
