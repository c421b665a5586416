/// Steps whose inputs come as lines and whose results go out as they are computed. Each step counts
/// by itself: what was applied before an error, or before the client left, stays applied.
///
/// It does its work in slices: between two of them other requests get a worker, those that look at
/// the session get their turn, and a client that reads slowly is waited for without a thread.
///
/// `@unchecked Sendable`: one slice at a time uses the variables, and each hands over to the next
/// through a lock: that of the session's turns, of the workers' queue or of the stream.
final class StepStream: @unchecked Sendable {
  private let session: Session
  private let writer: StepResultWriter
  private let type: MediaType
  /// The request's name, for a problem in the stream.
  private let requestID: String
  /// Called when the first step is applied: what was kept of steps before is out of date.
  private let forgetReply: @Sendable (inout Session.Content) -> Void
  private var lines: HTTPBodyLines
  private var lineNumber = 0
  /// The line that comes next, when it has been looked at.
  private var nextLine: StepRequest.Line?
  private var applied = 0
  /// Keeps other steps away, from the first slice on.
  private var claim: StreamClaim?

  /// Bytes of results after which they are sent, and nanoseconds.
  private static let chunkBytes = 16 << 10
  private static let chunkTime: UInt64 = 5_000_000
  /// Nanoseconds after which others get their turn.
  private static let sliceTime: UInt64 = 10_000_000

  init(
    _ session: Session, _ request: HTTPRequest, _ fields: StepFields, _ type: MediaType,
    forgetReply: @escaping @Sendable (inout Session.Content) -> Void
  ) {
    self.session = session
    lines = request.bodyLines
    requestID = request.id
    writer = StepResultWriter(session, fields, type)
    self.type = type
    self.forgetReply = forgetReply
  }

  // MARK: Begin

  /// Answers with the stream when it is this request's turn, or with a refusal while nothing has been
  /// applied. On a worker.
  func begin(_ completion: HTTPCompletion) {
    completion.refusing { () throws(Problem) in
      // A first line that is wrong is a request that is wrong.
      nextLine = try readLine()
      guard nextLine != nil else {
        throw Problem(.malformedRequest, "the body has no line; each is the input of a step")
      }
      try session.whenFree { turn in
        completion.perform(isAdmitted: turn.hasWaited) {
          completion.refusing { () throws(Problem) in
            try turn.use { content throws(Problem) in
              try self.numbered { () throws(Problem) in try content.check(self.nextLine?.step) }
              self.forgetReply(&content)
            }
            self.claim = StreamClaim(self.session)
            completion.finish(
              HTTPStreamReply(
                status: 200, contentType: self.type.rawValue,
                headers: [("Cache-Control", "no-store")],
                start: self.goOn))
          }
        }
      }
    }
  }

  // MARK: Slices

  /// What a part of a slice gave.
  private struct Chunk {
    let bytes: [UInt8]
    /// How many it has.
    let steps: Int
    /// When these were taken.
    let epoch: Unsaved.Epoch
    /// The session's step after them.
    let step: Int
    let isLast: Bool
    let problem: Problem?
  }

  /// Has a worker do the next slice when it is this stream's turn.
  private func goOn(_ stream: HTTPBodyStream) {
    do throws(Problem) {
      try session.whenFree(.stream) { turn in
        stream.workers.submit(
          WorkerPool.Item(
            run: { self.slice(stream, turn) },
            refuse: { _ in stream.abort() }),
          isAdmitted: true)
      }
    } catch {
      preconditionFailure("a stream that is under way was refused its turn")
    }
  }

  private func slice(_ stream: HTTPBodyStream, _ turn: Turn) {
    let end = monotonicNanoseconds() + Self.sliceTime
    repeat {
      let chunk = chunk(turn)
      guard !session.journal.mustWait else {
        return session.whenSaved(chunk.epoch) { outcome in
          switch outcome {
          case .saved, .kept: if self.send(chunk, stream) { self.goOn(stream) }
          case .withdrawn(let problem): _ = self.send(self.takenBack(chunk, problem), stream)
          case .overdue: _ = self.send(self.unconfirmed(chunk), stream)
          case .settled: break
          }
        }
      }
      guard send(chunk, stream) else { return }
    } while monotonicNanoseconds() < end
    goOn(stream)
  }

  /// - Returns: whether to go on at once
  private func send(_ chunk: Chunk, _ stream: HTTPBodyStream) -> Bool {
    guard !chunk.isLast else {
      finish(stream, chunk)
      return false
    }
    switch stream.offer(chunk.bytes) {
    case .taken: return true
    case .closed: return false
    case .full:
      // The turn ends here; the claim stays.
      stream.whenWritable(chunk.bytes.count) {
        if stream.offer(chunk.bytes) != .closed { self.goOn(stream) }
      }
      return false
    }
  }

  /// What is said in place of results whose steps could not be saved.
  private func takenBack(_ chunk: Chunk, _ problem: Problem) -> Chunk {
    applied -= chunk.steps
    return Chunk(
      bytes: text(of: problem), steps: 0, epoch: chunk.epoch, step: chunk.step, isLast: true,
      problem: problem)
  }

  /// Results whose steps are applied, but not saved in time: the stream ends with them.
  private func unconfirmed(_ chunk: Chunk) -> Chunk {
    let problem = Problem.unconfirmed(session.id, step: chunk.step)
    return Chunk(
      bytes: chunk.bytes + text(of: problem), steps: chunk.steps, epoch: chunk.epoch,
      step: chunk.step, isLast: true, problem: problem)
  }

  private func finish(_ stream: HTTPBodyStream, _ chunk: Chunk) {
    claim = nil
    let end = { @Sendable in
      // A shell that reads CSV has nothing but curl's exit code to tell it of an error.
      if chunk.problem != nil, self.type == .csv { stream.abort() } else { stream.finish() }
    }
    guard case .full = stream.offer(chunk.bytes) else { return end() }
    stream.whenWritable(chunk.bytes.count) {
      _ = stream.offer(chunk.bytes)
      end()
    }
  }

  /// Takes steps until there is something worth sending.
  private func chunk(_ turn: Turn) -> Chunk {
    var bytes: [UInt8] = []
    let before = applied
    var epoch = Unsaved.Epoch.first
    var step = session.step
    do throws(Problem) {
      let isLast = try turn.use { content throws(Problem) in
        epoch = content.epoch
        defer { step = content.step }
        return try session.model.withRoom { room throws(Problem) in
          room.text.removeAll()
          // Also of the steps before a refused one.
          defer { bytes = room.text.bytes }
          return try applySome(&content, room)
        }
      }
      return Chunk(
        bytes: bytes, steps: applied - before, epoch: epoch, step: step, isLast: isLast,
        problem: nil)
    } catch {
      return Chunk(
        bytes: bytes + text(of: error), steps: applied - before, epoch: epoch, step: step,
        isLast: true, problem: error)
    }
  }

  /// - Returns: whether there are no more
  private func applySome(
    _ content: inout Session.Content, _ room: StepRoom
  ) throws(Problem) -> Bool {
    let end = monotonicNanoseconds() + Self.chunkTime
    while room.text.count < Self.chunkBytes && monotonicNanoseconds() < end {
      let line = if let nextLine { nextLine } else { try readLine() }
      nextLine = nil
      guard let line else { return true }
      try numbered { () throws(Problem) in try apply(line, &content, room) }
    }
    return false
  }

  private func apply(
    _ line: StepRequest.Line, _ content: inout Session.Content, _ room: StepRoom
  ) throws(Problem) {
    try content.check(line.step)
    var record = session.stepRecord()
    try session.model.step(line.input, &content, room, &record)
    writer.write(content, room)
    session.took(.one(line.input), &content, record)
    applied += 1
  }

  // MARK: Lines and problems

  /// The next line that is not blank; nil after the last one.
  ///
  /// - Throws: `Problem` also where so many are blank that looking for one that isn't would take long.
  private func readLine() throws(Problem) -> StepRequest.Line? {
    for _ in 0...Self.mostBlankLines {
      lineNumber += 1
      guard let line = try nextText() else { return nil }
      guard line.contains(where: { !Self.blanks.contains($0) }) else { continue }
      return try numbered { () throws(Problem) in try parsed(line) }
    }
    throw Problem(
      .malformedRequest,
      "lines \(lineNumber - Self.mostBlankLines) to \(lineNumber) are blank; at most "
        + "\(Self.mostBlankLines) in a row may be", fields: ["line": .number(lineNumber)])
  }

  /// A line, with the memory that parsing it needs reserved meanwhile.
  private func parsed(_ text: [UInt8]) throws(Problem) -> StepRequest.Line {
    guard text.count > Router.smallBody, let budget = lines.budget else {
      return try StepRequest.Line(text, for: session.model)
    }
    let memory = JSONParser.mostMemory(for: text)
    do throws(HTTPRefusal) { try budget.reserveMemory(memory) } catch { throw Problem(error) }
    defer { budget.memory.release(memory) }
    return try StepRequest.Line(text, for: session.model)
  }

  private static let mostBlankLines = 1000
  private static let blanks: [UInt8] = [UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r")]

  private func nextText() throws(Problem) -> [UInt8]? {
    do throws(HTTPBodyError) {
      return try lines.next()
    } catch {
      switch error {
      case .lineTooLong(let line, let limit):
        throw Problem(
          .bodyTooLarge, "line \(line) is longer than \(limit) bytes",
          fields: ["line": .number(line), "limit": .number(limit)])
      case .damaged(let reason):
        throw Problem(.malformedRequest, "the body's gzip is damaged: \(reason)")
      case .tooLong(let limit):
        throw Problem(
          .bodyTooLarge, "the body is longer than \(limit) bytes", fields: ["limit": .number(limit)]
        )
      case .unreadable:
        throw Problem(.internalError, "the rest of the body could not be read from disk")
      }
    }
  }

  /// Says of a problem in which line it is.
  private func numbered<Result>(_ body: () throws(Problem) -> Result) throws(Problem) -> Result {
    do throws(Problem) {
      return try body()
    } catch {
      var fields = error.fields
      fields["line"] = .number(lineNumber)
      throw Problem(error.kind, "line \(lineNumber): \(error.detail)", fields: fields)
    }
  }

  /// The last line of a stream that ends early.
  private func text(of problem: Problem) -> [UInt8] {
    var problem = problem
    problem.fields["applied"] = .number(applied)
    problem.fields["session"] = .text(session.id)
    let object = problem.body(for: requestID)
    return type == .eventStream
      ? ServerSentEvent("problem", data: object).bytes : object + [UInt8(ascii: "\n")]
  }
}
