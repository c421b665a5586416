import NTMModel
import Testing

@testable import NTMServer

/// Copies of states that wait to be saved have a bound.
@Suite struct CopiedBytesTests {
  @Test func changesWaitWhileTooManyCopiesAreUnsaved() throws {
    let model = ServedModel.copy
    let store = MemorySessionStore(outlivesProcess: true)
    try store.acquireLease()
    // The journal does not run: nothing is saved.
    let journal = Journal(store, .everysec, .silent)
    var copies = try (0..<1 + (64 << 20) / model.stateBytes).map { _ in
      try #require(!journal.mustWait)
      return StateCopy(try model.model.makeState(), countedBy: journal.copies)
    }
    #expect(journal.mustWait)
    copies.removeAll()
    #expect(!journal.mustWait)
  }
}
