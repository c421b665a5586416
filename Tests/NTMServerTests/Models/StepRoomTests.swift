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
