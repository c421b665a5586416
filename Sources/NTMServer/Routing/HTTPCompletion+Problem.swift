extension HTTPCompletion {
  /// Does something that answers the request. Its problem is the answer where it has one.
  func refusing(_ body: () throws(Problem) -> Void) {
    do throws(Problem) { try body() } catch { finish(error.response) }
  }

  /// Answers the request as a handler has decided, on a worker.
  private func finish(_ outcome: HTTPOutcome) {
    switch outcome {
    case .respond(let response): finish(response)
    case .offload(let work): finish(work())
    case .later(let start): start(self)
    case .stream(let reply): finish(reply)
    }
  }

  /// Has a worker decide how the request is answered.
  func perform(_ decide: @escaping @Sendable () throws(Problem) -> HTTPOutcome) {
    perform { self.refusing { () throws(Problem) in self.finish(try decide()) } }
  }
}

extension HTTPOutcome {
  /// What is decided on a worker. A problem is the answer.
  static func onWorker(
    _ decide: @escaping @Sendable () throws(Problem) -> HTTPOutcome
  ) -> HTTPOutcome {
    .later { $0.perform(decide) }
  }
}
