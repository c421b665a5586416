import Foundation
import NTMModel
import Testing

@testable import NTMServer

/// What is served changes; who uses it keeps it.
struct ModelLoadingTests {
  private static let first = ServedModel.mixedVersion(1)
  private static let second = ServedModel.mixedVersion(2)

  /// Does not keep it.
  private struct Weak {
    weak var model: ServedModel?
  }

  private func table() -> SessionTable {
    SessionTable(limits: .init(timeToLive: 3600, sessions: 1000, bytes: .max))
  }

  /// What a reload reports, in order.
  private func reload(
    _ pool: ModelPool, unless isCancelled: () -> Bool = { false }
  ) throws -> [String] {
    var changes: [String] = []
    try pool.reload(unless: isCancelled) { changes.append("\($0): \($1)") }
    return changes
  }

  // MARK: One model

  @Test func theSameWeightsStayTheSameModel() throws {
    let folder = try TemporaryModels(["m": Self.first])
    let pool = try folder.pool()
    let served = try #require(pool["m"])
    try folder.put(.mixedVersion(1, task: "another"), as: "m")
    let (model, change) = try pool.load("m")
    #expect(change == .unchanged)
    #expect(model === served)
    #expect(pool["m"] === served)
    // What does not enter the digest is the file's all the same.
    #expect(served.description.task == "another")
  }

  @Test func anotherModelTakesThePlace() throws {
    let folder = try TemporaryModels(["m": Self.first])
    let pool = try folder.pool()
    let before = pool.current
    try folder.put(Self.second, as: "m")
    let (model, change) = try pool.load("m")
    #expect(change == .replaced(old: Self.first.version))
    #expect(model.digest == Self.second.digest)
    #expect(pool["m"] === model)
    #expect(pool.defaultModel === model)
    // What was taken before is not changed behind anybody's back.
    #expect(before["m"]?.digest == Self.first.digest)
  }

  @Test func aModelWithoutSessionsIsGivenBack() throws {
    let folder = try TemporaryModels(["m": Self.first])
    let pool = try folder.pool()
    let old = Weak(model: pool["m"])
    #expect(old.model != nil)
    try folder.put(Self.second, as: "m")
    _ = try pool.load("m")
    #expect(old.model == nil)
    let unloaded = Weak(model: pool["m"])
    #expect(pool.remove("m") != nil)
    #expect(unloaded.model == nil)
  }

  @Test(arguments: ["replaced", "unloaded"])
  func anOldModelIsGivenBackWithItsLastSession(_ how: String) throws {
    let folder = try TemporaryModels(["m": Self.first])
    let pool = try folder.pool()
    let table = table()
    let old = Weak(model: pool["m"])
    var ids = try (0..<3).map { _ in try table.make(#require(pool["m"])).id }
    if how == "replaced" {
      try folder.put(Self.second, as: "m")
      _ = try pool.load("m")
    } else {
      _ = pool.remove("m")
    }
    while let id = ids.popLast() {
      #expect(old.model != nil)
      #expect(table.modelUses.map(\.sessions) == [ids.count + 1])
      table.delete(try table.find(id))
    }
    #expect(old.model == nil)
    #expect(table.modelUses.isEmpty)
  }

  /// A version that comes back is in memory once, and its old sessions are on it.
  @Test func aVersionThatStillHasSessionsComesBackAsItself() throws {
    let folder = try TemporaryModels(["m": Self.first])
    let pool = try folder.pool()
    let table = table()
    let session = try table.make(#require(pool["m"]))
    for _ in 0..<2 {
      try folder.put(Self.second, as: "m")
      _ = try pool.load("m")
      #expect(pool["m"] !== session.model)
      try folder.put(.mixedVersion(1, task: "again"), as: "m")
      #expect(try pool.load("m").served === session.model)
      #expect(session.model.description.task == "again")
    }
    _ = pool.remove("m")
    #expect(try pool.load("m").change == .loaded)
    #expect(pool["m"] === session.model)
  }

  @Test func aBadFileChangesNothing() throws {
    let folder = try TemporaryModels(["m": Self.first])
    let pool = try folder.pool(largestState: Self.first.stateBytes)
    let served = try #require(pool["m"])
    let whole = try Data(contentsOf: URL(filePath: folder.file("m")))
    for (content, reason) in [
      (Data(), "the file has 0 bytes, too few for a header's length"),
      (whole.dropLast(), "data_offsets"), (Data("no model".utf8), "the header's length is"),
    ] {
      try folder.write(content, as: "m")
      let refusal = try #require(throws: Problem.self) { try pool.load("m") }
      #expect(refusal.kind == .badModel)
      #expect(refusal.detail.contains(reason), "\(refusal.detail)")
      #expect(
        refusal.detail.hasSuffix(
          ". The one that was loaded before is still served, \(served.version)"))
      #expect(pool["m"] === served)
    }
    try folder.put(.copy, as: "m")
    let refusal = try #require(throws: Problem.self) { try pool.load("m") }
    #expect(
      refusal.fields["reason"]
        == .text(
          "a session would need \(ServedModel.copy.stateBytes) bytes, more than the "
            + "\(served.stateBytes) of --max-session-bytes"))
    #expect(pool["m"] === served)
  }

  @Test func whatIsTooLargeIsNotServedFromTheBeginningEither() throws {
    let folder = try TemporaryModels(["large": .copy, "m": Self.first])
    var reports: [String] = []
    let pool = try ModelPool.load(
      folder: folder.path, skippingBad: true, largestState: Self.first.stateBytes
    ) { reports.append("\($0): \($1)") }
    #expect(pool.models.map(\.name) == ["m"])
    #expect(reports.count == 1)
    #expect(reports.first?.contains("large.safetensors: a session would need") == true)
  }

  #if os(Linux)
    // Elsewhere these are one file.
    @Test func twoFilesOfOneNameAreRefused() throws {
      let folder = try TemporaryModels(["u\u{308}": Self.first])
      let pool = try folder.pool()
      // One name in Unicode, however it is written.
      #expect(try pool.load("\u{fc}").change == .unchanged)
      try folder.put(Self.second, as: "\u{fc}")
      let refusal = try #require(throws: Problem.self) { try pool.load("\u{fc}") }
      #expect(refusal.kind == .badModel)
      #expect(pool["\u{fc}"]?.digest == Self.first.digest)
      let changes = try reload(pool)
      #expect(changes.count { $0.contains("two files have this name") } == 1, "\(changes)")
      #expect(pool.models.count == 1)
    }
  #endif

  // MARK: Several at a time

  /// What began later has read the newer file, whichever ends first.
  @Test func aSlowLoadDoesNotUndoALaterOne() throws {
    let pool = try ModelPool([])
    let slow = pool.takeTicket()
    let fast = pool.takeTicket()
    #expect(pool.put(Self.second, fast)?.change == .loaded)
    #expect(pool.put(Self.first, slow) == nil)
    #expect(pool["mixed"] === Self.second)
    // Also where the later one found nothing to change.
    let (third, fourth) = (pool.takeTicket(), pool.takeTicket())
    #expect(pool.put(.mixedVersion(2), fourth)?.change == .unchanged)
    #expect(pool.put(Self.first, third) == nil)
    #expect(pool["mixed"] === Self.second)
    // Other names are not concerned.
    #expect(pool.put(.contentOnly, third)?.change == .loaded)
  }

  @Test func aSlowLoadDoesNotUndoAnUnload() throws {
    let pool = try ModelPool([Self.first])
    let slow = pool.takeTicket()
    #expect(pool.remove("mixed") === Self.first)
    #expect(pool.put(Self.second, slow) == nil)
    #expect(pool["mixed"] == nil)
    #expect(pool.put(Self.second, pool.takeTicket())?.change == .loaded)
    // Nor does one who looked into the folder before.
    #expect(pool.remove("mixed", slow) == nil)
    #expect(pool["mixed"] === Self.second)
  }

  // MARK: The folder

  @Test func aReloadMakesWhatIsServedWhatTheFolderHas() throws {
    let folder = try TemporaryModels([
      "bad": Self.first, "changed": Self.first, "gone": Self.first, "same": Self.first,
    ])
    let pool = try folder.pool()
    let before = pool.current
    try folder.write(Data("no model".utf8), as: "bad")
    try folder.write(Data("no model".utf8), as: "bad and new")
    try folder.put(Self.second, as: "changed")
    try folder.put(Self.second, as: "new")
    try folder.remove("gone")
    let changes = try reload(pool)
    #expect(changes.count == 6, "\(changes)")
    #expect(changes[0].hasPrefix("bad: refused(reason: \"the header"))
    #expect(changes[1].hasPrefix("bad and new: refused(reason: \"the header"))
    #expect(
      changes[2...] == [
        "changed: replaced(old: \"\(Self.first.version)\")", "new: loaded", "same: unchanged",
        "gone: unloaded",
      ])
    #expect(pool.models.map(\.name) == ["bad", "changed", "new", "same"])
    #expect(pool["bad"] === before["bad"])
    #expect(pool["same"] === before["same"])
    #expect(pool["changed"]?.digest == Self.second.digest)
    #expect(pool["new"]?.digest == Self.second.digest)
  }

  @Test func aFolderThatCannotBeReadChangesNothing() throws {
    let folder = try TemporaryModels(["m": Self.first])
    let pool = try folder.pool()
    try FileManager.default.removeItem(atPath: folder.path)
    #expect(throws: ModelPoolError.self) { try reload(pool) }
    let refusal = try #require(throws: Problem.self) { try pool.load("m") }
    #expect(refusal.kind == .internalError)
    // The folder is no client's business.
    #expect(!refusal.detail.contains(folder.path))
    #expect(pool["m"]?.digest == Self.first.digest)
  }

  @Test func aReloadStopsWhereItIsCancelled() throws {
    let folder = try TemporaryModels(["a": Self.first, "b": Self.first, "c": Self.first])
    let pool = try folder.pool()
    for name in ["a", "b"] { try folder.put(Self.second, as: name) }
    try folder.remove("c")
    var asked = 0
    let changes = try reload(pool) {
      asked += 1
      return asked == 2
    }
    #expect(changes.count == 1)
    #expect(pool.models.map(\.digest) == [Self.second, Self.first, Self.first].map(\.digest))
  }

  @Test func modelsOfNoFolderCannotBeLoaded() throws {
    let pool = try ModelPool([Self.first])
    #expect(throws: ModelPoolError.self) { try reload(pool) }
    #expect(try #require(throws: Problem.self) { try pool.load("mixed") }.kind == .noSuchModel)
    #expect(pool["mixed"] === Self.first)
  }

  // MARK: The default

  @Test func theChosenDefaultIsTheDefaultWheneverItIsThere() throws {
    let folder = try TemporaryModels(["a": Self.first, "b": Self.first])
    let pool = try folder.pool(default: "b")
    _ = pool.remove("b")
    // The only one there is, but not chosen.
    #expect(pool.defaultModel == nil)
    _ = try pool.load("b")
    #expect(pool.defaultModel?.name == "b")
    try folder.put(Self.second, as: "b")
    _ = try pool.load("b")
    #expect(pool.defaultModel?.digest == Self.second.digest)
  }

  @Test func withoutAChoiceTheOnlyOneIsTheDefault() throws {
    let folder = try TemporaryModels(["a": Self.first])
    let pool = try folder.pool()
    #expect(pool.defaultModel?.name == "a")
    try folder.put(Self.second, as: "b")
    _ = try pool.load("b")
    #expect(pool.defaultModel == nil)
    _ = pool.remove("a")
    #expect(pool.defaultModel?.name == "b")
    _ = pool.remove("b")
    #expect(pool.defaultModel == nil)
    #expect(pool.models.isEmpty)
    #expect(pool.current.description == "no model")
  }
}
