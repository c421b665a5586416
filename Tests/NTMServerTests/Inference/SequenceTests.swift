import Testing

@testable import NTMServer

/// Sequences of the Open Inference Protocol whose sessions are in a store.
struct SequenceTests {
  private let store = MemorySessionStore(outlivesProcess: true)
  private let inputs = ServedModel.copy.inputs(2)

  private func serve(
    _ store: any SessionStore, room: Int = .max, _ body: (SocketClient) throws -> Void
  ) async throws {
    let options = ServiceOptions.testing {
      $0.maxSessionBytes = room == .max ? .max : room * ServedModel.copy.stateBytes
    }
    try await withLiveService(.copy, options, store) { port in
      try body(try SocketClient(port: port))
    }
  }

  private func infer(
    _ client: SocketClient, _ id: String = "7", _ flags: String...
  ) throws -> Response {
    let flags = flags.map { ",\"\($0)\":true" }.joined()
    return try client.post(
      "/v2/models/copy/infer",
      """
      {"parameters":{"sequence_id":\(id)\(flags)},"outputs":[{"name":"output"}],\
      "inputs":[{"name":"input","shape":[9],"datatype":"FP32","data":\(inputs[0].json)}]}
      """)
  }

  private func place(_ response: Response) throws -> (session: String, step: Int) {
    try #require(response.status == 200, "\(response.text)")
    let reply: InferenceTests.Reply = try response.decoded()
    return (
      try #require(reply.parameters?.session), try #require(reply.parameters?.step)
    )
  }

  private func expectNoSequence(_ response: Response) throws {
    try expectProblem(response, 404, "no-such-session")
  }

  @Test(arguments: SessionStoreTests.Kind.allCases)
  func aStartAfterARestartEndsTheStoredSequence(_ kind: SessionStoreTests.Kind) async throws {
    let folder = try StoreFolder()
    let make: () throws -> any SessionStore = {
      kind == .memory ? self.store : try SQLiteSessionStore(path: folder.file)
    }
    var first = ""
    try await serve(try make()) { client throws in
      first = try place(infer(client, "7", "sequence_start")).session
      #expect(try place(infer(client)).step == 2)
    }
    try await serve(try make()) { client throws in
      let second = try place(infer(client, "7", "sequence_start"))
      #expect(second.step == 1)
      #expect(second.session != first)
      try expectProblem(
        try client.exchange("GET", "/sessions/\(first)"), 404, "no-such-session",
        fields: ["reason": .text("deleted")])
      #expect(try place(infer(client, "7", "sequence_end")) == (second.session, 2))
      try expectNoSequence(infer(client))
      let metrics = try client.exchange("GET", "/metrics").text
      #expect(metrics.contains("\nntm_sessions 0\n"))
    }
    try await serve(try make()) { client throws in try expectNoSequence(infer(client)) }
  }

  @Test func aStartEndsASequenceThatWasMovedOut() async throws {
    try await serve(store, room: 3) { client throws in
      let first = try place(infer(client, "7", "sequence_start")).session
      for other in 0..<1200 { _ = try place(infer(client, "\"\(other)\"", "sequence_start")) }
      #expect(try place(infer(client)) == (first, 2))
      for other in 0..<700 { _ = try place(infer(client, "\"\(other)\"", "sequence_end")) }
      for other in 2000..<2010 { _ = try place(infer(client, "\"\(other)\"", "sequence_start")) }
      let second = try place(infer(client, "7", "sequence_start"))
      try expectProblem(
        try client.exchange("GET", "/sessions/\(first)"), 404, "no-such-session")
      #expect(try place(infer(client)) == (second.session, 2))
      #expect(
        try client.exchange("GET", "/metrics").text.contains("\nntm_sessions 511\n"))
    }
    #expect(store.summary().sessions == 511)
  }

  /// As a crash leaves the store right after the commit.
  @Test func aSequenceAndItsFirstStepsAreOneCommitThatDeletesThePredecessor() async throws {
    let recorder = CommitRecorder(store)
    try await serve(recorder) { client throws in
      let first = try place(infer(client, "7", "sequence_start")).session
      _ = try infer(client)
      let second = try place(infer(client, "7", "sequence_start")).session
      #expect(first != second)
    }
    let creations = recorder.commits.flatMap { $0 }.filter { $0.created != nil }
    #expect(creations.map { $0.steps?.last } == [1, 1])
    #expect(creations.map { $0.created?.step } == [1, 1])
    for sessions in recorder.sequences { #expect(sessions.count <= 1) }
  }

  @Test func aRefusedStartChangesNothing() async throws {
    let recorder = CommitRecorder(store)
    try await serve(recorder) { client throws in
      let first = try place(infer(client, "7", "sequence_start")).session
      let wrong = try client.post(
        "/v2/models/copy/infer",
        """
        {"parameters":{"sequence_id":7,"sequence_start":true},"inputs":[{"name":"input",\
        "shape":[8],"datatype":"FP32","data":[0,0,0,0,0,0,0,0]}]}
        """)
      try expectProblem(wrong, 422, "wrong-size")
      #expect(try place(infer(client)) == (first, 2))
    }
    #expect(recorder.commits.flatMap { $0 }.filter { $0.created != nil }.count == 1)
  }

  @Test func aStartThatCanNotBeSavedChangesNothing() async throws {
    let failing = FailingStore(store)
    try await serve(failing) { client throws in
      let first = try place(infer(client, "7", "sequence_start")).session
      #expect(try place(infer(client)).step == 2)
      failing.fail(writing: StoreError(.failing, "as a test"))
      try expectProblem(
        try infer(client, "7", "sequence_start"), 503, "store-unavailable")
      failing.fail()
      #expect(try place(infer(client).settled { try infer(client) }) == (first, 3))
      let second = try place(infer(client, "7", "sequence_start"))
      #expect(second.session != first)
      let metrics = try client.exchange("GET", "/metrics").text
      #expect(metrics.contains("\nntm_sessions 1\n"))
    }
    #expect(store.summary().sessions == 1)
  }

  @Test func theNewestOfTwoStoredSessionsIsTheSequence() async throws {
    var ids: [String] = []
    try await serve(store) { client throws in
      ids = try ["8", "9"].map { try place(infer(client, $0, "sequence_start")).session }
    }
    // Older versions left several sessions of one name.
    store.rename(sequence: "7 copy")
    try await serve(store) { client throws in
      #expect(try place(infer(client)) == (ids[1], 2))
      #expect(try client.exchange("GET", "/sessions/\(ids[0])").status == 404)
      #expect(try place(infer(client, "7", "sequence_end")) == (ids[1], 3))
      try expectNoSequence(infer(client))
    }
    #expect(store.summary().sessions == 0)
  }

  @Test func aSequenceThatStartsAndEndsInOneRequestEndsTheStoredOne() async throws {
    var first = ""
    try await serve(store) { client throws in
      first = try place(infer(client, "7", "sequence_start")).session
    }
    try await serve(store) { client throws in
      #expect(try infer(client, "7", "sequence_start", "sequence_end").status == 200)
      // It is saved with the answer.
      #expect(store.summary().sessions == 0)
      #expect(try client.exchange("GET", "/sessions/\(first)").status == 404)
      try expectNoSequence(infer(client))
    }
  }
}

extension Response {
  /// This reply, or the first reply to the same request that is not 503.
  fileprivate func settled(_ again: () throws -> Response) throws -> Response {
    var reply = self
    for _ in 0..<30_000 where reply.status == 503 {
      pause(milliseconds: 1)
      reply = try again()
    }
    return reply
  }
}

/// Records each commit, and the sequences in the store after it.
private final class CommitRecorder: SessionStore {
  private let store: MemorySessionStore
  private let notes = Lock<(commits: [[StoredChange]], sequences: [[Int]])>(([], []))

  init(_ store: MemorySessionStore) { self.store = store }

  var commits: [[StoredChange]] { notes.withLock { $0.commits } }
  /// The numbers of the sessions with the name "7 copy".
  var sequences: [[Int]] { notes.withLock { $0.sequences } }

  func commit(_ changes: [StoredChange]) {
    notes.withLock { notes in
      store.commit(changes)
      notes.commits.append(changes)
      notes.sequences.append(store.records(sequence: "7 copy").map(\.number))
    }
  }

  var outlivesProcess: Bool { true }
  func acquireLease() throws(StoreError) { try store.acquireLease() }
  func close() { store.close() }
  func probe() {}
  func record(id: String) -> SessionRecord? { store.record(id: id) }
  func records(sequence: String) -> [SessionRecord] { store.records(sequence: sequence) }
  func content(of session: Int) -> StoredContent? { store.content(of: session) }
  func page(after: Int, limit: Int) -> [SessionRecord] { store.page(after: after, limit: limit) }
  func expired(at now: Timestamp, since start: Timestamp, limit: Int) -> [SessionRecord] {
    store.expired(at: now, since: start, limit: limit)
  }
  func summary() -> StoreSummary { store.summary() }
  func correctTimes(after now: Timestamp) { store.correctTimes(after: now) }
  func replies(atMost bytes: Int) -> [KeyedReply] { store.replies(atMost: bytes) }
  func trimReplies(before expired: Int64, bodies: Range<Int64>) {
    store.trimReplies(before: expired, bodies: bodies)
  }
  func quarantine(_ session: Int, _ reason: String) { store.quarantine(session, reason) }
}

extension MemorySessionStore {
  /// Gives all sessions one name as a sequence.
  fileprivate func rename(sequence: String) {
    // From the newest on, so that the commits delete none.
    for record in page(after: 0, limit: .max).reversed() {
      guard let content = content(of: record.number) else { continue }
      let renamed = SessionRecord(
        number: record.number, id: record.id, modelName: record.modelName,
        modelDigest: record.modelDigest, createdAt: record.createdAt, keepAlive: record.keepAlive,
        sequence: sequence, step: record.step, lastActivity: record.lastActivity)
      replace(renamed, content)
    }
  }

  private func replace(_ record: SessionRecord, _ content: StoredContent) {
    commit([StoredChange(session: record.number, lastActivity: record.lastActivity, isEnded: true)])
    commit([
      StoredChange(
        session: record.number, created: record, base: content.base, steps: content.steps.first,
        lastActivity: record.lastActivity)
    ])
  }
}
