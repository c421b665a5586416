extension Session {
  /// Runs `body` at once, or not at all where it is not the caller's turn, or where the state is in
  /// the store only or is being saved: nil then.
  ///
  /// - Throws: as `Turn.use`.
  func useIfFree<Result>(
    _ purpose: Turns.Purpose = .change, _ body: (inout Content) throws(Problem) -> Result
  ) throws(Problem) -> Result? {
    guard turns.withLock({ $0.take(purpose) }) else { return nil }
    defer { passTurn() }
    return try withContent(purpose, mayWait: false, body)
  }

  /// Calls `start` when it is the caller's turn: at once, or later on the thread of whoever was
  /// before. It must return at once then, and do with the turn what it does on a worker.
  ///
  /// - Throws: `Problem` 503 where too many wait.
  func whenFree(
    _ purpose: Turns.Purpose = .change, _ start: @escaping @Sendable (Turn) -> Void
  ) throws(Problem) {
    switch turns.withLock({ $0.take(purpose, orLater: start) }) {
    case .first: start(Turn(self, purpose, hasWaited: false))
    case .waiting: break
    case .none:
      throw Problem(
        .overloaded, "\(Turns.limit) requests wait for session \"\(id)\" already; try again later",
        fields: ["limit": .number(Turns.limit)])
    }
  }

  /// Whoever's turn it was is done with the session.
  func passTurn() { hand(turns.withLock { $0.pass() }) }

  func setStreaming(_ isStreaming: Bool) {
    hand(
      turns.withLock { turns in
        turns.isStreaming = isStreaming
        return turns.pass(isHeld: false)
      })
  }

  private func hand(_ next: Turns.Waiter?) {
    if let next { next.start(Turn(self, next.purpose, hasWaited: true)) }
  }

  /// For whoever's turn it is.
  ///
  /// - Throws: `Problem` 404 where the session has ended, 503 where it can't be had from the store, or
  ///   nothing can be saved, or what `body` throws.
  func withContent<Result>(
    _ purpose: Turns.Purpose, _ body: (inout Content) throws(Problem) -> Result
  ) throws(Problem) -> Result {
    guard let result = try withContent(purpose, mayWait: true, body) else {
      preconditionFailure("a session that may be waited for was not")
    }
    return result
  }

  /// - Parameter mayWait: whether to load the state from the store where it is there only, and to wait
  ///   while it is being saved
  /// - Returns: nil where it would have to wait and must not. So who has a session may ask for others.
  private func withContent<Result>(
    _ purpose: Turns.Purpose, mayWait: Bool, _ body: (inout Content) throws(Problem) -> Result
  ) throws(Problem) -> Result? {
    func use(_ holding: inout Holding) throws(Problem) -> Result? {
      if let ending = holding.ending { throw .sessionEnded(id, ending) }
      if purpose != .look { try journal.checkWritable() }
      if holding.content == nil {
        guard mayWait else { return nil }
        holding.content = try load()
      }
      if journal.keeps != .nothing { holding.content!.epoch = unsaved.withLock { $0.epoch } }
      defer {
        if let reason = endTurn(&holding.content!) { end(&holding, reason, at: .now) }
      }
      if purpose != .look { rebaseIfDue(&holding.content!) }
      return try body(&holding.content!)
    }
    return mayWait
      ? try holding.withLock { holding throws(Problem) in try use(&holding) }
      : try holding.withLockIfAvailable { holding throws(Problem) in try use(&holding) } ?? nil
  }

  private func load() throws(Problem) -> Content {
    guard let table else { throw .noSession(id) }
    return try table.load(self)
  }
}
