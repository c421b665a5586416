import NTMModel
import Synchronization

/// A client's own memory matrix, advancing step by step.
///
/// A session whose state is not in memory is the same as any other: its state comes from the store
/// when somebody has a use for it.
final class Session: Sendable {
  let id: String
  let model: ServedModel
  /// The name that its model had when the session was made.
  let modelName: String
  let createdAt: Timestamp
  /// Seconds without use after which the session ends; nil for never.
  let keepAlive: Double?
  /// Counts sessions in the order in which they were made; the list is sorted by it.
  let number: Int
  /// The name that it has as a sequence of the Open Inference Protocol.
  let sequence: String?
  /// What there is of it in memory; only for whoever has the turn.
  let holding: Lock<Holding>
  let turns = Lock(Turns())
  /// Sends watchers what happens to the session.
  let events: SessionEvents
  weak let table: SessionTable?
  let journal: Journal
  let unsaved = Lock(Unsaved())
  /// Another session has its name as a sequence now, whose commit deletes what the store has of this
  /// one.
  let isSuperseded = Atomic(false)
  /// Copies of what `holding` says, so that a list never waits for a step.
  private let stepCount: Atomic<Int>
  private let lastActivityTime: Atomic<Int64>
  private let firstRecomputed: Atomic<Int>

  /// The state, or where it is.
  struct Holding: ~Copyable {
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
    var epoch = Unsaved.Epoch.first
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
    modelName = model.name
    self.number = number
    self.keepAlive = keepAlive
    self.sequence = sequence
    self.table = table
    journal = table.journal
    createdAt = now
    lastActivityTime = Atomic(now.milliseconds)
    firstRecomputed = Atomic(0)
    var change = UnsavedChange(isCreated: true)
    events = SessionEvents(step: start?.step ?? 0)
    if let start {
      stepCount = Atomic(start.step)
      if journal.keeps == .steps {
        let copy = StateCopy(try start.state.copy(), countedBy: journal.copies)
        change.rebase(UnsavedChange.Base(step: start.step, state: copy, reply: nil))
      }
      let step = start.step
      holding = Lock(Holding(content: Content(state: start.state, step: step, change: change)))
    } else {
      stepCount = Atomic(0)
      holding = Lock(Holding(content: Content(state: try model.model.makeState(), change: change)))
    }
  }

  /// Takes the first steps of a new session that is not in the table yet.
  ///
  /// - Throws: what `body` throws.
  func prepare(
    _ body: (Session, inout Content) throws(Problem) -> Void
  ) throws(Problem) {
    try holding.withLock { holding throws(Problem) in
      guard holding.content != nil else { return }
      try body(self, &holding.content!)
      step = holding.content!.step
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
    modelName = record.modelName
    number = record.number
    keepAlive = record.keepAlive
    sequence = record.sequence
    self.table = table
    journal = table.journal
    createdAt = record.createdAt
    lastActivityTime = Atomic(record.lastActivity.milliseconds)
    stepCount = Atomic(record.step)
    events = SessionEvents(step: record.step)
    firstRecomputed = Atomic(record.recomputedFrom ?? 0)
    holding = Lock(Holding())
    unsaved.withLock { $0.restored(record) }
  }

  var step: Int {
    get { stepCount.load(ordering: .relaxed) }
    set { stepCount.store(newValue, ordering: .relaxed) }
  }

  var lastActivity: Timestamp {
    get { Timestamp(milliseconds: lastActivityTime.load(ordering: .relaxed)) }
    set { lastActivityTime.store(newValue.milliseconds, ordering: .relaxed) }
  }

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
      number: number, id: id, modelName: modelName, modelDigest: model.digest,
      createdAt: createdAt, keepAlive: keepAlive, sequence: sequence, step: step,
      lastActivity: lastActivity, recomputedFrom: recomputedFrom)
  }

  var stateBytes: Int { model.stateBytes }

  /// A record of steps that are going to be taken, for those who watch.
  func stepRecord() -> StepRecord {
    events.record(StepResultWriter(model: .passUnretained(model), session: id))
  }
}

// MARK: Changes

extension Session {
  /// Steps have been taken: tells those who watch, and notes them for the store.
  func took(
    _ inputs: StepInputs, _ content: inout Content, _ record: borrowing StepRecord
  ) {
    let step = content.step
    events.publish(record, step: step) { self.step = step }
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
      journal.keeps == .steps
      ? StateCopy(try model.copy(state, for: "this state"), countedBy: journal.copies) : nil
    content.state.assign(state)
    content.step = step
    table?.forgetReply(&content)
    noteState(copy, &content)
  }

  /// - Parameter copy: nil for the start state
  func noteState(_ copy: StateCopy?, _ content: inout Content) {
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
  func rebaseIfDue(_ content: inout Content) {
    guard content.stepsSinceBase >= model.stepsPerBase, content.step <= StateFile.mostSteps,
      let copy = try? content.state.copy()
    else { return }
    noteState(StateCopy(copy, countedBy: journal.copies), &content)
  }

  /// - Returns: how the session is to end now, if it is
  func endTurn(_ content: inout Content) -> SessionEnding.Reason? {
    step = content.step
    lastActivity = journal.clock.now
    noteChange(&content)
    return content.ends
  }

  private func noteChange(_ content: inout Content) {
    guard !content.change.isEmpty else { return }
    journal.note(self, content.change)
    content.change = UnsavedChange()
  }

  /// - Parameter time: as the wall clock shows it
  func end(_ holding: inout Holding, _ reason: SessionEnding.Reason, at time: Timestamp) {
    let ending = SessionEnding(reason: reason, at: time)
    holding.ending = ending
    let bytes = release(&holding)
    journal.note(self, UnsavedChange(isEnded: true))
    events.end(.ended(id, ending))
    table?.remove(self, ending, bytes: bytes)
  }

  /// Lets go of the state.
  ///
  /// - Returns: the bytes that it and the reply took; 0 where it is not in memory
  func release(_ holding: inout Holding) -> Int {
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
  func end(_ reason: SessionEnding.Reason) throws(Problem) -> Unsaved.Epoch {
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
      end(&holding, .expired, at: journal.clock.wallClock(expiry))
      return holding.ending
    }
  }
}
