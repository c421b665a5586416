public import NTMModel

/// A model that is being served, with room for the threads that step it.
public final class ServedModel: Sendable {
  public let name: String
  public let model: Model
  /// What the file says beside configuration and numbers.
  public var description: ModelFile.Description { described.withLock { $0.description } }
  /// The training figures of the description, parsed once: lists of models need them.
  var training: JSONText? { described.withLock { $0.training } }
  /// Bytes of a session's state.
  public var stateBytes: Int { model.stateLayout.byteCount }
  /// By which the length of a result is known.
  let resultShape: ResultShape
  /// Numbers that were trained. Counting them takes as long as a part of a step.
  private let parameterCount: Int
  /// SHA-256 of configuration and numbers, in hexadecimal.
  public let digest: String
  /// When its file was read, for display.
  let loadedAt = Timestamp.now
  /// Orders models by when their files were read.
  let loadOrder = monotonicNanoseconds()
  private let described: Lock<Described>
  /// The steps of all models of this name.
  let metrics: StepMetrics
  /// Of the Open Inference Protocol's requests.
  let statistics = InferenceStatistics()
  let rooms: StepRooms

  public convenience init(name: String, file: ModelFile) {
    self.init(name: name, file: file, metrics: StepMetrics())
  }

  init(name: String, file: ModelFile, metrics: StepMetrics) {
    self.name = name
    model = file.model
    described = Lock(Described(file.description))
    resultShape = ResultShape(file.model.configuration)
    parameterCount = file.model.parameterCount
    digest = file.model.digest()
    // A room has space for the next state.
    rooms = StepRooms(roomBytes: file.model.stateLayout.byteCount)
    stepsPerBase = Self.stepsPerBase(file.model)
    self.metrics = metrics
  }

  /// The digest with what it was made by, as clients see it. Models of one name that have different
  /// numbers are versions of it.
  var version: String { "sha256:\(digest)" }

  /// Takes over what a file says that has the same configuration and numbers.
  func describe(as description: ModelFile.Description) {
    let described = Described(description)
    self.described.withLock { $0 = described }
  }

  private struct Described {
    let description: ModelFile.Description
    let training: JSONText?

    init(_ description: ModelFile.Description) {
      self.description = description
      training = description.training.flatMap(JSONText.init)
    }
  }

  /// Whether copying a state is work for a worker.
  var isLarge: Bool { stateBytes > 1 << 20 }

  /// Whether so many steps, and writing down their results, take less than about half a
  /// millisecond: roughly, a sixteenth of a nanosecond for a weight, a quarter for a number of the
  /// memory and each head, and three for a byte of the result.
  func isCheap(steps: Int, resultBytes: Int) -> Bool {
    let heads = model.configuration.heads.count
    let memory = model.stateLayout.memory.valueCount
    let step = parameterCount / 16 + heads * memory / 4 + 3 * resultBytes
    let (total, overflow) = steps.multipliedReportingOverflow(by: step)
    return !overflow && total < 500_000
  }

  /// Steps after which the store is given a whole state: as many as have the same bytes as it, so
  /// that neither is most of what is written, but no more than are taken again in about a quarter of
  /// a second.
  let stepsPerBase: Int

  private static func stepsPerBase(_ model: Model) -> Int {
    let bytes = model.stateLayout.byteCount / (4 * max(1, model.configuration.inputSize))
    let nanoseconds =
      model.parameterCount / 8 + model.configuration.heads.count
      * model.stateLayout.memory.valueCount
    return max(16, min(bytes, 250_000_000 / max(1, nanoseconds)))
  }

  /// Lends room for steps to one thread at a time.
  ///
  /// - Throws: `Problem` 503 where the machine has no memory for it, or what `body` throws.
  func withRoom<Result>(
    _ body: (StepRoom) throws(Problem) -> Result
  ) throws(Problem) -> Result {
    let room = try takeRoom()
    defer { putBack(room) }
    return try body(room)
  }

  /// Sets memory aside for a reply that is written in a room and copied from there. A long one grows
  /// by doubling, so that for a moment there are up to three times its bytes.
  ///
  /// - Throws: `Problem` 503 if there is not enough.
  static func reserve(reply bytes: @autoclosure () -> Int) throws(Problem) -> MemoryReservation {
    do throws(AllocationError) {
      let bytes = SystemLimits.refusesAllocations ? bytes() : 0
      return try MemoryReservation(bytes > smallReply ? 3 * bytes : 0)
    } catch {
      throw .noMemory("the reply")
    }
  }

  private static let smallReply = 64 << 10

  /// Room for steps, to be put back.
  ///
  /// - Throws: `Problem` 503 where the machine has no memory for it.
  func takeRoom() throws(Problem) -> StepRoom {
    if let room = rooms.take() { return room }
    do throws(AllocationError) { return try makeRoom() } catch {
      throw .noMemory("a step: \(error)")
    }
  }

  func putBack(_ room: StepRoom) { rooms.putBack(room) }
}

extension ServedModel {
  func makeRoom() throws(AllocationError) -> StepRoom { try StepRoom(self) }

  /// Takes one step, and notes for watchers what it gave.
  ///
  /// - Throws: `Problem` 422 where a number would not be finite, or the session has taken as many steps
  ///   as a session can; nothing is changed then.
  func step(
    _ input: [Float], _ content: inout Session.Content, _ room: StepRoom,
    _ record: inout StepRecord
  ) throws(Problem) {
    try content.checkRoom(for: 1)
    try compute(input, &content, room, &record)
    metrics.took(1)
  }

  private func compute(
    _ input: [Float], _ content: inout Session.Content, _ room: StepRoom,
    _ record: inout StepRecord, in group: StepGroup? = nil
  ) throws(Problem) {
    do throws(StepError) {
      if let group {
        try group.step(input, state: &content.state, workspace: &room.workspace)
      } else {
        let start = monotonicNanoseconds()
        try model.step(input.span, state: &content.state, workspace: &room.workspace)
        metrics.computed(nanoseconds: monotonicNanoseconds() - start)
      }
    } catch {
      throw Problem(.notFinite, "\(error)")
    }
    tookStep(input, &content, room)
    record.add(content, room)
  }

  /// Takes a step without telling anybody: one that was taken before, or that is told of elsewhere.
  func retake(
    _ input: [Float], _ content: inout Session.Content, _ room: StepRoom
  ) throws(StepError) {
    try model.step(input.span, state: &content.state, workspace: &room.workspace)
    tookStep(input, &content, room)
  }

  private func tookStep(_ input: [Float], _ content: inout Session.Content, _ room: StepRoom) {
    room.input = input
    content.step += 1
  }

  /// Takes several steps, all of them or none.
  ///
  /// - Parameters:
  ///   - name: what the list of inputs is called in an error; nil where there is only one
  ///   - record: of these steps alone
  ///   - group: with whose members they are taken, each with its next; nil for alone
  ///   - each: called after each step, with its index, while `room` has what it gave
  /// - Throws: `Problem` 422 where a number would not be finite or the session would take more steps
  ///   than a session can, or 503 where the machine has no memory; nothing is changed then.
  func take(
    _ inputs: StepInputs, _ name: String?, _ content: inout Session.Content, _ room: StepRoom,
    _ record: inout StepRecord, in group: StepGroup? = nil,
    each: (Int, borrowing Session.Content) -> Void
  ) throws(Problem) {
    try content.checkRoom(for: inputs.count)
    let before = inputs.count > 1 ? try copy(content.state, for: "these steps") : nil
    let stepBefore = content.step
    for (index, input) in inputs.enumerated() {
      do throws(Problem) {
        try compute(input, &content, room, &record, in: group)
      } catch {
        if let before { content.state.assign(before) }
        content.step = stepBefore
        throw name.map { Problem(error.kind, "\($0)[\(index)]: \(error.detail)") } ?? error
      }
      each(index, content)
    }
    metrics.took(inputs.count)
  }

  /// A copy of a state of this model.
  ///
  /// - Throws: `Problem` 503 where the machine has no memory for it.
  func copy(_ state: borrowing State, for purpose: String) throws(Problem) -> State {
    do {
      return try state.copy()
    } catch {
      throw .noMemory("\(purpose): \(error)")
    }
  }
}

extension Problem {
  /// 503: the system has refused memory, or would refuse it.
  static func noMemory(_ purpose: String) -> Problem {
    Problem(
      .limitReached, "the machine has no memory for \(purpose)",
      fields: ["limit": .text("memory")], headers: ["Retry-After": "1"])
  }
}

extension Session.Content {
  /// Checks that a session can take more steps: a step beyond `StateFile.mostSteps` could not be
  /// stored.
  ///
  /// - Throws: `Problem` 422.
  fileprivate func checkRoom(for steps: Int) throws(Problem) {
    guard step > StateFile.mostSteps - steps else { return }
    throw Problem(
      .tooMuch,
      "the session has taken \(step) steps, and a session takes at most \(StateFile.mostSteps); "
        + "reset it to go on",
      fields: ["expected": .number(max(0, StateFile.mostSteps - step)), "got": .number(steps)])
  }
}
