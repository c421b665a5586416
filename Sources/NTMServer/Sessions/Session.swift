import NTMModel
import Synchronization

/// A client's own memory matrix, advancing step by step.
///
/// A session whose state is not in memory is the same as any other: its state comes from the store
/// when somebody has a use for it.
final class Session: Sendable {
  let id: String
  let model: ServedModel
  let createdAt: Timestamp
  /// Seconds without use after which the session ends; nil for never.
  let keepAlive: Double?
  /// Counts sessions in the order in which they were made; the list is sorted by it.
  let number: Int
  /// The name that it has as a sequence of the Open Inference Protocol.
  let sequence: String?
  private let holding: Lock<Holding>
  private let turns = Lock(Turns())
  /// Tells watchers what happens to the session.
  let events = SessionEvents()
  private weak let table: SessionTable?
  let journal: Journal
  let unsaved = Lock(Unsaved())
  /// Copies of what `holding` says, so that a list never waits for a step.
  private let stepCount: Atomic<Int>
  private let lastActivityTime: Atomic<Int64>
  private let firstRecomputed: Atomic<Int>

  /// What there is of it in memory.
  private struct Holding: ~Copyable {
    /// nil where it is in the store only.
    var content: Content?
    /// The session has been deleted or has expired: whoever still waits for it comes too late.
    var ending: SessionEnding?
  }

  /// What changes, in the hands of whoever's turn it is.
  struct Content: ~Copyable {
    var state: State
    /// How many steps the session has taken.
    var step = 0
    /// The reply to the last steps, where their request asked for protection against repeats.
    var lastReply: RepeatableReply?
    /// What has changed in this turn.
    var change = UnsavedChange()
    /// Steps since the last state that the store was given.
    var stepsSinceBase = 0
    /// When this turn's changes are made.
    fileprivate(set) var epoch = Unsaved.Epoch.first
    /// Set by whoever wants the session to end with this turn.
    var ends: SessionEnding.Reason?

    init(state: consuming State, step: Int = 0, change: UnsavedChange = UnsavedChange()) {
      self.state = state
      self.step = step
      self.change = change
    }
  }

  /// Where a session begins, if not at its model's start state.
  struct Start: ~Copyable {
    let state: State
    let step: Int
  }

  /// A new session.
  init(
    model: ServedModel, number: Int, now: Timestamp, keepAlive: Double?, sequence: String? = nil,
    start: consuming Start? = nil, table: SessionTable
  ) throws(AllocationError) {
    id = SessionID.make()
    self.model = model
    self.number = number
    self.keepAlive = keepAlive
    self.sequence = sequence
    self.table = table
    journal = table.journal
    createdAt = now
    lastActivityTime = Atomic(now.milliseconds)
    firstRecomputed = Atomic(0)
    var change = UnsavedChange(isCreated: true)
    if let start {
      stepCount = Atomic(start.step)
      if journal.keeps == .steps {
        let copy = StateCopy(try start.state.copy())
        change.rebase(UnsavedChange.Base(step: start.step, state: copy, reply: nil))
      }
      let step = start.step
      holding = Lock(Holding(content: Content(state: start.state, step: step, change: change)))
    } else {
      stepCount = Atomic(0)
      holding = Lock(Holding(content: Content(state: try model.model.makeState(), change: change)))
    }
  }

  /// A new session is in its table: notes it for the store.
  func begin(_ reply: KeyedReply?) {
    holding.withLock { holding in
      guard holding.content != nil else { return }
      if let reply { holding.content!.change.replies.append(reply) }
      noteChange(&holding.content!)
    }
  }

  /// One that the store has.
  init(_ record: SessionRecord, model: ServedModel, table: SessionTable) {
    id = record.id
    self.model = model
    number = record.number
    keepAlive = record.keepAlive
    sequence = record.sequence
    self.table = table
    journal = table.journal
    createdAt = record.createdAt
    lastActivityTime = Atomic(record.lastActivity.milliseconds)
    stepCount = Atomic(record.step)
    firstRecomputed = Atomic(record.recomputedFrom ?? 0)
    holding = Lock(Holding())
    unsaved.withLock { $0.restored(record) }
  }

  var step: Int { stepCount.load(ordering: .relaxed) }

  var lastActivity: Timestamp { Timestamp(milliseconds: lastActivityTime.load(ordering: .relaxed)) }

  /// The first step that was taken again by another arithmetic than the first time; nil for none.
  var recomputedFrom: Int? {
    let step = firstRecomputed.load(ordering: .relaxed)
    return step > 0 ? step : nil
  }

  /// nil for never.
  var expiresAt: Timestamp? {
    keepAlive.map { max(lastActivity, journal.begin).advanced(by: $0) }
  }

  func noteRecomputed(from step: Int) { firstRecomputed.store(step, ordering: .relaxed) }

  /// What the store has of it beside its state.
  var record: SessionRecord {
    SessionRecord(
      number: number, id: id, modelName: model.name, modelDigest: model.digest,
      createdAt: createdAt, keepAlive: keepAlive, sequence: sequence, step: step,
      lastActivity: lastActivity, recomputedFrom: recomputedFrom)
  }

  var stateBytes: Int { model.stateBytes }

  /// A record of steps that are going to be taken, for those who watch.
  func stepRecord() -> StepRecord { events.record(StepResultWriter(model: model, session: id)) }
}

// MARK: Changes

extension Session {
  /// Steps have been taken: tells those who watch, and notes them for the store.
  func took(
    _ inputs: [[Float]], _ content: inout Content, _ record: borrowing StepRecord
  ) {
    events.publish(record)
    switch journal.keeps {
    case .nothing: break
    case .states: content.change.isStale = true
    case .steps:
      content.change.add(inputs, last: content.step)
      content.stepsSinceBase += inputs.count
    }
  }

  /// Goes back to the model's start state.
  func reset(_ content: inout Content) {
    model.model.reset(&content.state)
    content.step = 0
    table?.forgetReply(&content)
    noteState(nil, &content)
  }

  /// Puts a state in place of the one that there is.
  ///
  /// - Throws: `Problem` 503 where the machine has no memory; nothing is changed then.
  func replaceState(
    _ content: inout Content, by state: borrowing State, step: Int
  ) throws(Problem) {
    let copy =
      journal.keeps == .steps ? StateCopy(try model.copy(state, for: "this state")) : nil
    content.state.assign(state)
    content.step = step
    table?.forgetReply(&content)
    noteState(copy, &content)
  }

  /// - Parameter copy: nil for the start state
  private func noteState(_ copy: StateCopy?, _ content: inout Content) {
    switch journal.keeps {
    case .nothing: break
    case .states: content.change.isStale = true
    case .steps:
      content.change.rebase(
        UnsavedChange.Base(step: content.step, state: copy, reply: content.lastReply))
      content.stepsSinceBase = 0
    }
  }

  /// Gives the store a whole state now and then, so that few steps are to be taken again.
  private func rebaseIfDue(_ content: inout Content) {
    guard content.stepsSinceBase >= model.stepsPerBase, let copy = try? content.state.copy()
    else { return }
    noteState(StateCopy(copy), &content)
  }

  /// - Returns: how the session is to end now, if it is
  private func endTurn(_ content: inout Content) -> SessionEnding.Reason? {
    stepCount.store(content.step, ordering: .relaxed)
    lastActivityTime.store(Timestamp.now.milliseconds, ordering: .relaxed)
    noteChange(&content)
    return content.ends
  }

  private func noteChange(_ content: inout Content) {
    guard !content.change.isEmpty else { return }
    journal.note(self, content.change)
    content.change = UnsavedChange()
  }

  private func end(_ holding: inout Holding, _ reason: SessionEnding.Reason, at time: Timestamp) {
    let ending = SessionEnding(reason: reason, at: time)
    holding.ending = ending
    let bytes = release(&holding)
    journal.note(self, UnsavedChange(isEnded: true))
    table?.remove(self, ending, bytes: bytes + events.end(.ended(id, ending)))
  }

  /// Lets go of the state.
  ///
  /// - Returns: the bytes that it and the reply took; 0 where it is not in memory
  private func release(_ holding: inout Holding) -> Int {
    guard holding.content != nil else { return 0 }
    let bytes = stateBytes + (holding.content!.lastReply?.bytes ?? 0)
    holding.content = nil
    return bytes
  }

  /// Ends the session, by whoever has the turn and does not use it otherwise.
  ///
  /// - Throws: `Problem` 404 where it has ended before.
  ///
  /// - Returns: when that was
  fileprivate func end(_ reason: SessionEnding.Reason) throws(Problem) -> Unsaved.Epoch {
    try holding.withLock { holding throws(Problem) in
      if let ending = holding.ending { throw .sessionEnded(id, ending) }
      let epoch = unsaved.withLock { $0.epoch }
      end(&holding, reason, at: .now)
      return epoch
    }
  }

  /// Ends the session if nobody uses it and it has been idle for its time.
  ///
  /// - Returns: how it ended, if it did so now
  func endIfIdle(at now: Timestamp) -> SessionEnding? {
    guard let expiry = expiresAt, expiry < now, turns.withLock({ $0.take(.change) }) else {
      return nil
    }
    defer { passTurn() }
    return holding.withLock { holding in
      guard let expiry = expiresAt, expiry < now, holding.ending == nil else { return nil }
      end(&holding, .expired, at: expiry)
      return holding.ending
    }
  }
}

// MARK: Saving

extension Session {
  /// A change of it is in the store.
  func saved(_ change: UnsavedChange) {
    let activity = lastActivity
    for waiter in unsaved.withLock({ $0.saved(at: activity) }) { waiter(nil) }
  }

  /// Neither this change nor what came after it could be saved: the session is to be again what it is
  /// in the store.
  func rollBack(_ problem: Problem, then: @escaping @Sendable () -> Void = {}) {
    unsaved.withLock { $0.rollBack(problem) }
    let takeBack = { @Sendable (turn: Turn) in
      self.takeBack()
      then()
      for waiter in self.unsaved.withLock({ $0.takenBack() }) { waiter(problem) }
    }
    if case .first = turns.withLock({ $0.take(.stream, orLater: takeBack) }) {
      takeBack(Turn(self, .stream, hasWaited: false))
    }
  }

  private func takeBack() {
    let isStored = unsaved.withLock { $0.isStored }
    holding.withLock { holding in
      let bytes = release(&holding)
      if isStored {
        let hadEnded = holding.ending != nil
        holding.ending = nil
        stepCount.store(unsaved.withLock { $0.storedStep }, ordering: .relaxed)
        table?.movedOut(self, bytes: bytes, hadEnded: hadEnded)
      } else {
        let ending = SessionEnding(reason: .deleted, at: .now)
        holding.ending = ending
        table?.remove(self, ending, bytes: bytes + events.end(.ended(id, ending)))
      }
    }
    if isStored { events.publish(.state(id, step: step)) }
  }

  /// What came of an attempt to move a session out of memory.
  enum Departure {
    case done
    /// It has to be saved first, which has begun.
    case saving
    /// Somebody uses it.
    case inUse
  }

  /// Lets go of the state if the store has it and nobody uses it.
  func moveOut() -> Departure {
    guard turns.withLock({ $0.take(.change) }) else { return .inUse }
    defer { passTurn() }
    return holding.withLock { holding in
      guard holding.content != nil, holding.ending == nil, events.isUnwatched else {
        return .inUse
      }
      let (isClean, isTouched) = unsaved.withLock {
        ($0.isClean, $0.storedActivity != lastActivity)
      }
      guard isClean else {
        saveWhole(&holding.content!)
        return .saving
      }
      if isTouched { journal.save(self, UnsavedChange()) }
      table?.movedOut(self, bytes: release(&holding))
      return .done
    }
  }

  /// Has the state written as a whole, where steps are not written one by one and it is newer than
  /// what the store has.
  ///
  /// - Returns: whether there is something to be written
  @discardableResult
  func saveWhole() -> Bool {
    holding.withLock { holding in
      guard holding.content != nil else { return false }
      return saveWhole(&holding.content!)
    }
  }

  @discardableResult
  private func saveWhole(_ content: inout Content) -> Bool {
    guard unsaved.withLock({ $0.isStale }), let copy = try? content.state.copy() else {
      return false
    }
    var change = UnsavedChange()
    change.rebase(
      UnsavedChange.Base(step: content.step, state: StateCopy(copy), reply: content.lastReply))
    journal.save(self, change)
    return true
  }

  /// Writes down when it was last used, where that has changed by much: by a look at it alone nothing
  /// else is written.
  func saveActivity() {
    guard let keepAlive else { return }
    let isOld = unsaved.withLock {
      $0.isClean && $0.isStored && $0.storedActivity.advanced(by: keepAlive / 10) < lastActivity
    }
    if isOld { journal.save(self, UnsavedChange()) }
  }

  /// The store's content of it is damaged.
  func quarantine(_ reason: String) {
    rollBack(.damaged(id, reason)) { self.table?.quarantine(self.record, reason) }
  }
}

// MARK: Turns

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
      lastActivityTime.store(Timestamp.now.milliseconds, ordering: .relaxed)
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

/// How and when a session ended.
struct SessionEnding: Equatable, Sendable {
  enum Reason: String, CaseIterable {
    case expired, deleted
  }

  let reason: Reason
  let at: Timestamp
}

extension Session {
  /// Where work on a session is done.
  enum Place {
    /// On the event loop, unless the session is in use: cheap work.
    case loop
    /// On a worker: what would hold up other connections of the loop.
    case worker
  }

  /// Answers a request by work that has the session to itself.
  ///
  /// - Parameter claim: of the request's key, if it has one
  /// - Throws: `Problem` where the work was done at once and failed.
  func run(
    _ purpose: Turns.Purpose = .change, on place: Place = .loop, _ claim: KeyClaim? = nil,
    _ work: @escaping @Sendable (inout Content) throws(Problem) -> HTTPResponse
  ) throws(Problem) -> HTTPOutcome {
    let work = keeping(claim, work)
    if case .loop = place, let answer = try useIfFree(purpose, work) {
      return acknowledged(answer)
    }
    return .later { self.answer($0, purpose, work) }
  }

  /// As `run` with `.look`, by work that makes another session, whose answer waits for that.
  func fork(
    on place: Place,
    _ work: @escaping @Sendable (inout Content) throws(Problem) -> HTTPOutcome
  ) throws(Problem) -> HTTPOutcome {
    if case .loop = place, let outcome = try useIfFree(.look, work) { return outcome }
    return .later { completion in
      completion.refusing { () throws(Problem) in
        try self.whenFree(.look) { turn in
          completion.perform { () throws(Problem) in try turn.use(work) }
        }
      }
    }
  }

  /// As `run`, on a worker when it is the request's turn.
  func answer(
    _ completion: HTTPCompletion, _ purpose: Turns.Purpose = .change, _ claim: KeyClaim?,
    _ work: @escaping @Sendable (inout Content) throws(Problem) -> HTTPResponse
  ) {
    answer(completion, purpose, keeping(claim, work))
  }

  private func answer(
    _ completion: HTTPCompletion, _ purpose: Turns.Purpose,
    _ work: @escaping @Sendable (inout Content) throws(Problem) -> Answer
  ) {
    completion.refusing { () throws(Problem) in
      try whenFree(purpose) { turn in
        completion.perform(isAdmitted: turn.hasWaited) {
          completion.refusing { () throws(Problem) in
            self.acknowledge(completion, try turn.use(work))
          }
        }
      }
    }
  }

  /// Ends the session when nobody uses it.
  func delete() throws(Problem) -> HTTPOutcome {
    let response = HTTPResponse(status: 204)
    if turns.withLock({ $0.take(.look) }) {
      defer { passTurn() }
      return acknowledged(Answer(response, try end(.deleted)))
    }
    return .later { completion in
      completion.refusing { () throws(Problem) in
        try self.whenFree(.look) { _ in
          completion.refusing { () throws(Problem) in
            self.acknowledge(completion, Answer(response, try self.end(.deleted)))
          }
        }
      }
    }
  }

  /// Work whose response is kept for a client that repeats its request, with what it changes.
  private func keeping(
    _ claim: KeyClaim?,
    _ work: @escaping @Sendable (inout Content) throws(Problem) -> HTTPResponse
  ) -> @Sendable (inout Content) throws(Problem) -> Answer {
    { content throws(Problem) in
      let response = try work(&content)
      if let claim { content.change.replies.append(claim.reply(response)) }
      return Answer(response, content.epoch)
    }
  }

  // MARK: Acknowledgement

  /// An answer to a request that may have changed the session, and when it did.
  struct Answer: Sendable {
    let response: HTTPResponse
    let epoch: Unsaved.Epoch

    init(_ response: HTTPResponse, _ epoch: Unsaved.Epoch) {
      self.response = response
      self.epoch = epoch
    }
  }

  /// Answers at once, or when what has changed is saved.
  func acknowledged(_ answer: Answer) -> HTTPOutcome {
    guard journal.mustWait else { return .respond(answer.response) }
    return .later { self.acknowledge($0, answer) }
  }

  func acknowledge(_ completion: HTTPCompletion, _ answer: Answer) {
    whenSaved(answer.epoch) { completion.finish($0?.response ?? answer.response) }
  }

  /// Calls `then` when what has changed up to now may be told of, with a problem where it was taken
  /// back.
  ///
  /// - Parameter epoch: when it was changed
  func whenSaved(_ epoch: Unsaved.Epoch, _ then: @escaping @Sendable (Problem?) -> Void) {
    guard journal.mustWait else { return then(nil) }
    journal.whenSaved(self, epoch, then)
  }
}

extension HTTPCompletion {
  /// Does something that answers the request. Its problem is the answer where it has one.
  func refusing(_ body: () throws(Problem) -> Void) {
    do throws(Problem) { try body() } catch { finish(error.response) }
  }
}

extension HTTPCompletion {
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

extension Problem {
  static func noSession(_ id: String) -> Problem {
    Problem(
      .noSuchSession, "there is no session \"\(id)\": it never was, or its end has been forgotten")
  }

  static func sessionEnded(_ id: String, _ ending: SessionEnding) -> Problem {
    let how =
      switch ending.reason {
      case .expired: "expired, because nobody used it,"
      case .deleted: "was deleted"
      }
    return Problem(
      .noSuchSession, "session \"\(id)\" \(how) at \(ending.at.text)",
      fields: ["reason": .text(ending.reason.rawValue), "ended_at": .text(ending.at.text)])
  }
}
