import Foundation
import NTMModel
import Testing

@testable import NTMServer

/// What every store does.
struct SessionStoreTests {
  enum Kind: CaseIterable {
    case memory, sqlite
  }

  private let folder = try! StoreFolder()
  static let now = Timestamp(milliseconds: 1_000_000)

  /// One that can be changed.
  func store(_ kind: Kind) throws -> any SessionStore {
    let store: any SessionStore =
      switch kind {
      case .memory: MemorySessionStore(outlivesProcess: true)
      case .sqlite: try SQLiteSessionStore(path: folder.file)
      }
    try store.acquireLease()
    return store
  }

  private func record(
    _ number: Int, keepAlive: Double? = 100, sequence: String? = nil
  ) -> SessionRecord {
    SessionRecord(
      number: number, id: "session-\(number)", modelName: "copy", modelDigest: "d",
      createdAt: Self.now, keepAlive: keepAlive, sequence: sequence, lastActivity: Self.now)
  }

  private static let start = StoredBase(
    step: 0, state: nil, arithmetic: "a", reply: nil, recomputedFrom: nil)

  func creation(
    _ number: Int, keepAlive: Double? = 100, sequence: String? = nil
  ) -> StoredChange {
    StoredChange(
      session: number,
      created: record(number, keepAlive: keepAlive, sequence: sequence), base: Self.start,
      lastActivity: Self.now)
  }

  func steps(
    _ session: Int, _ first: Int, _ inputs: [[Float]], at: Int64 = 0, _ request: RequestMark? = nil
  ) -> StoredChange {
    StoredChange(
      session: session, steps: StoredSteps(first: first, inputs: inputs, request: request),
      lastActivity: Timestamp(milliseconds: Self.now.milliseconds + at))
  }

  @Test(arguments: Kind.allCases)
  func whatIsWrittenIsRead(_ kind: Kind) throws {
    let store = try store(kind)
    try store.commit([creation(1, sequence: "s"), creation(2, keepAlive: nil)])
    #expect(try store.record(id: "session-1") == record(1, sequence: "s"))
    #expect(try store.record(id: "session-2") == record(2, keepAlive: nil))
    #expect(try store.record(id: "session-3") == nil)
    #expect(try store.content(of: 1) == StoredContent(base: Self.start, steps: []))
    #expect(try store.content(of: 3) == nil)
    #expect(
      try store.summary()
        == StoreSummary(
          models: [ModelUses.Key(name: "copy", digest: "d"): 2],
          sequences: [SequenceNames.hash("s")], lastNumber: 2))
  }

  @Test(arguments: Kind.allCases)
  func stepsFollowTheirBase(_ kind: Kind) throws {
    let store = try store(kind)
    try store.commit([creation(1), creation(2)])
    // Every bit of a number, also of those that are not ordinary.
    let odd: [Float] = [-0, .leastNonzeroMagnitude, .greatestFiniteMagnitude, 0.1]
    let mark = RequestMark(firstStep: 2, isList: true, fields: .standard, form: .csv)
    try store.commit([steps(1, 1, [odd])])
    try store.commit([steps(1, 2, [[1, 2, 3, 4], [5, 6, 7, 8]], at: 500, mark)])
    let content = try #require(try store.content(of: 1))
    #expect(content.steps.map(\.first) == [1, 2])
    #expect(
      content.steps[0].inputs[0].map(\.bitPattern) == odd.map(\.bitPattern))
    #expect(content.steps[1].inputs == [[1, 2, 3, 4], [5, 6, 7, 8]])
    #expect(content.steps.map(\.request) == [nil, mark])
    let record = try #require(try store.record(id: "session-1"))
    #expect(record.step == 3)
    #expect(record.lastActivity.milliseconds == Self.now.milliseconds + 500)
    #expect(try store.content(of: 2)?.steps.isEmpty == true)
  }

  @Test(arguments: Kind.allCases)
  func aBaseTakesThePlaceOfWhatWasBefore(_ kind: Kind) throws {
    let store = try store(kind)
    try store.commit([creation(1)])
    try store.commit([steps(1, 1, [[1], [2]])])
    for reply in [
      nil,
      RepeatableReply(firstStep: 9, fingerprint: Fingerprint([[1]]), body: [1, 2]),
      RepeatableReply(firstStep: 9, fingerprint: Fingerprint([[1]]), body: nil),
    ] {
      let base = StoredBase(
        step: 9, state: [3, 4], arithmetic: "b", reply: reply, recomputedFrom: 5)
      var change = steps(1, 10, [[7]])
      change.base = base
      try store.commit([change])
      let content = try #require(try store.content(of: 1))
      #expect(content.base == base)
      #expect(content.steps == [StoredSteps(first: 10, inputs: [[7]], request: nil)])
      let record = try #require(try store.record(id: "session-1"))
      #expect(record.step == 10)
      #expect(record.recomputedFrom == 5)
    }
  }

  @Test(arguments: Kind.allCases)
  func whatHasEndedIsGone(_ kind: Kind) throws {
    let store = try store(kind)
    try store.commit([creation(1), creation(2)])
    try store.commit([steps(1, 1, [[1]])])
    try store.commit([StoredChange(session: 1, lastActivity: Self.now, isEnded: true)])
    #expect(try store.record(id: "session-1") == nil)
    #expect(try store.content(of: 1) == nil)
    #expect(try store.page(after: 0, limit: 9).map(\.number) == [2])
    // Its number is not given to another one.
    try store.commit([StoredChange(session: 2, lastActivity: Self.now, isEnded: true)])
    #expect(try store.summary() == StoreSummary(lastNumber: 2))
  }

  @Test(arguments: Kind.allCases)
  func pagesAreInTheOrderOfNumbers(_ kind: Kind) throws {
    let store = try store(kind)
    try store.commit([3, 1, 2, 5].map { creation($0) })
    #expect(try store.page(after: 0, limit: 2).map(\.number) == [1, 2])
    #expect(try store.page(after: 2, limit: 2).map(\.number) == [3, 5])
    #expect(try store.page(after: 5, limit: 2).isEmpty)
  }

  @Test(arguments: Kind.allCases)
  func aSequenceReplacesOlderSessionsOfItsName(_ kind: Kind) throws {
    let store = try store(kind)
    try store.commit([creation(1, sequence: "s"), creation(2, sequence: "t"), creation(3)])
    try store.commit([steps(1, 1, [[1]])])
    // In one commit with the new session.
    try store.commit([creation(4, sequence: "s")])
    #expect(try store.records(sequence: "s").map(\.number) == [4])
    #expect(try store.records(sequence: "t").map(\.number) == [2])
    #expect(try store.records(sequence: "u").isEmpty)
    #expect(try store.content(of: 1) == nil)
    // A newer session stays if the commits come in another order.
    try store.commit([creation(6, sequence: "t")])
    try store.commit([creation(5, sequence: "t")])
    #expect(try store.records(sequence: "t").map(\.number) == [6, 5])
    // A sequence that has ended before its creation was saved also replaces them.
    var change = creation(7, sequence: "s")
    change.isEnded = true
    try store.commit([change])
    #expect(try store.records(sequence: "s").isEmpty)
  }

  @Test(arguments: Kind.allCases)
  func aSessionExpiresItsTimeAfterItsLastStep(_ kind: Kind) throws {
    let store = try store(kind)
    try store.commit([creation(1), creation(2), creation(3, keepAlive: nil)])
    try store.commit([steps(2, 1, [[1]], at: 50_000)])
    let expired = { (seconds: Double, since: Double) in
      try store.expired(
        at: Self.now.advanced(by: seconds), since: Self.now.advanced(by: since), limit: 9
      ).map(\.number).sorted()
    }
    #expect(try expired(100, -1000) == [])
    #expect(try expired(100.001, -1000) == [1])
    #expect(try expired(150.001, -1000) == [1, 2])
    // Time without a server does not count.
    #expect(try expired(150.001, 100) == [])
    #expect(try expired(200.001, 100) == [1, 2])
    // A look at a session is written without a step.
    try store.commit([
      StoredChange(session: 1, lastActivity: Self.now.advanced(by: 1000))
    ])
    #expect(try expired(200.001, 100) == [2])
    #expect(try store.record(id: "session-1")?.lastActivity == Self.now.advanced(by: 1000))
  }

  @Test(arguments: Kind.allCases)
  func repliesAreKeptByTheirKeys(_ kind: Kind) throws {
    let store = try store(kind)
    func reply(_ key: String, _ part: Int?, _ body: [UInt8]) -> KeyedReply {
      KeyedReply(
        key: key, fingerprint: Fingerprint([[1]]), part: part,
        response: HTTPResponse(
          status: 201, headers: [("Location", "/sessions/a:b"), ("Vary", "")], body: body))
    }
    var change = creation(1)
    change.replies = [reply("k", 0, [1]), reply("k", 1, [2]), reply("l", nil, [3])]
    try store.commit([change])
    #expect(
      try store.replies(atMost: 99).map { [$0.key, "\($0.part ?? -1)"] } == [
        ["k", "0"], ["k", "1"], ["l", "-1"],
      ])
    let response = try #require(try store.replies(atMost: 99).last?.response)
    #expect(response.status == 201)
    #expect(response.headers.map(\.name) == ["Location", "Vary"])
    #expect(response.headers.map(\.value) == ["/sessions/a:b", ""])
    #expect(response.body == [3])
    // The whole takes the place of its parts; the newest are given where there are too many.
    change = StoredChange(session: 1, lastActivity: Self.now, replies: [reply("k", nil, [4])])
    try store.commit([change])
    #expect(try store.replies(atMost: 99).map(\.response.body) == [[3], [4]])
    #expect(try store.replies(atMost: 1).map(\.response.body) == [[], [4]])
    #expect(try store.replies(atMost: 1).map(\.response.status) == [0, 201])
  }

  @Test(arguments: Kind.allCases)
  func repliesAreTrimmedByTheirAge(_ kind: Kind) throws {
    let store = try store(kind)
    var change = creation(1)
    let ages: [Int64?] = [nil] + (0..<2500).map { Int64($0) }
    change.replies = ages.enumerated().map { index, age in
      KeyedReply(
        key: "\(index)", fingerprint: Fingerprint([[1]]),
        response: HTTPResponse(status: 200, body: [1]),
        applied: AppliedSteps("s", step: index), age: age)
    }
    try store.commit([change])
    try store.trimReplies(before: 0, bodies: 0..<0)
    #expect(try store.replies(atMost: .max).map(\.age) == ages)
    try store.trimReplies(before: 10, bodies: 0..<2000)
    let left = try store.replies(atMost: .max)
    #expect(left.map(\.age) == (10..<2500).map { Int64($0) })
    #expect(left.filter { $0.response.status == 0 }.map(\.age) == (10..<2000).map { Int64($0) })
    #expect(left.allSatisfy { $0.applied == AppliedSteps("s", step: Int($0.age ?? 0) + 1) })
    try store.trimReplies(before: 3000, bodies: 2000..<3000)
    #expect(try store.replies(atMost: .max).isEmpty)
  }

  @Test(arguments: Kind.allCases)
  func aQuarantineIsRemembered(_ kind: Kind) throws {
    let store = try store(kind)
    try store.commit([creation(1)])
    try store.quarantine(1, "as a test")
    #expect(try store.record(id: "session-1")?.damage == "as a test")
    #expect(try store.page(after: 0, limit: 9).map(\.damage) == ["as a test"])
  }

  @Test(arguments: Kind.allCases)
  func oneAtATimeMayChangeIt(_ kind: Kind) throws {
    let first = try store(kind)
    let acquire = {
      let second: any SessionStore =
        kind == .memory ? first : try SQLiteSessionStore(path: folder.file)
      try second.acquireLease()
    }
    let refusal = #expect(throws: StoreError.self) { try acquire() }
    #expect(refusal?.kind == .inUse)
    first.close()
    if kind == .sqlite {
      #expect(refusal?.description.contains(folder.file) == true)
      #expect(refusal?.reason.contains("process \(getpid())") == true)
    }
    try acquire()
  }
}
