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
    let large = ServedModel.made(
      "large",
      Configuration(
        inputSize: 2, outputSize: 1, memory: MemoryShape(rows: 16384, columns: 64),
        controller: Controller(kind: .feedForward(activation: .tanh), units: 4),
        heads: [.read, .write], dialect: Preset.paper.dialect))
    let options = ServiceOptions.testing()
    let sessions = SessionTable(limits: SessionTable.Limits(options))
    let application = Application(
      pool: try ModelPool([large]), sessions: sessions, options: options, logger: .silent)
    let session = try sessions.make(large)
    let outcome = application.handle(
      HTTPRequest(
        method: "POST", path: "/sessions/\(session.id)/step", headers: [("Host", "localhost")],
        body: Array(#"{"input": [0, 1]}"#.utf8)))
    guard case .later = outcome else {
      Issue.record("the step was not handed on: \(outcome)")
      return
    }
    #expect(large.rooms.take() == nil)
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
