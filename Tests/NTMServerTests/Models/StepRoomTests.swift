import NTMModel
import Testing

@testable import NTMServer

struct StepRoomTests {
  /// A room that one thread puts back is there for another: there are never more than are used at once.
  @Test func roomsGoFromThreadToThread() throws {
    let model = ServedModel(
      name: "own", file: try ModelFile.load("\(ServedModel.modelFolder)/copy.safetensors"))
    var rooms: Set<ObjectIdentifier> = []
    for _ in 0..<20 {
      let used = try onThreads(1) { _ in
        try model.withRoom { room throws(Problem) in ObjectIdentifier(room) }
      }
      rooms.formUnion(used)
    }
    #expect(rooms.count == 1)
  }

  @Test func twoThatAreUsedAtOnceAreNotTheSame() throws {
    try ServedModel.copy.withRoom { room throws(Problem) in
      try ServedModel.copy.withRoom { other throws(Problem) in #expect(room !== other) }
    }
  }

  /// A room of a large model is much memory, which an event loop must not make for a step that it
  /// hands on to a worker.
  @Test func longStepsTakeNoRoomOnTheLoop() throws {
    let large = Self.large
    let outcome = try answer(large, "POST", "/step", body: #"{"input": [0, 1]}"#)
    guard case .later = outcome else {
      Issue.record("the step was not handed on: \(outcome)")
      return
    }
    #expect(large.rooms.take() == nil)
  }

  /// Freeing a large state takes long.
  @Test func largeStatesAreFreedByWorkers() throws {
    let outcome = try answer(Self.large, "DELETE")
    guard case .later = outcome else {
      Issue.record("the session was deleted on the event loop: \(outcome)")
      return
    }
    guard case .respond = try answer(.copy, "DELETE") else {
      Issue.record("the deletion of a small session was handed on")
      return
    }
  }

  /// A new model whose state has 4 MiB.
  private static var large: ServedModel {
    .made(
      "large",
      Configuration(
        inputSize: 2, outputSize: 1, memory: MemoryShape(rows: 16384, columns: 64),
        controller: Controller(kind: .feedForward(activation: .tanh), units: 4),
        heads: [.read, .write], dialect: Preset.paper.dialect))
  }

  /// How an event loop answers a request for a new session of a model.
  private func answer(
    _ model: ServedModel, _ method: String, _ path: String = "", body: String = ""
  ) throws -> HTTPOutcome {
    let options = ServiceOptions.testing()
    let sessions = SessionTable(limits: SessionTable.Limits(options))
    let application = Application(
      pool: try ModelPool([model]), sessions: sessions, options: options, logger: .silent)
    let session = try sessions.make(model)
    return application.handle(
      HTTPRequest(
        method: method, path: "/sessions/\(session.id)\(path)", headers: [("Host", "localhost")],
        body: Array(body.utf8)))
  }

  /// The array of an input is used again only where nobody else has it.
  @Test func inputsAreNotWrittenOver() throws {
    let room = try ServedModel.copy.makeRoom()
    room.input = [1, 2, 3]
    let kept = room.input
    var next = room.takeInput()
    next.removeAll(keepingCapacity: true)
    next.append(4)
    #expect(kept == [1, 2, 3])
    #expect(room.input.isEmpty)
  }
}
