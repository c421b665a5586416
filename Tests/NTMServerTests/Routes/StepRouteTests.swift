import Foundation
import NTMModel
import Testing

@testable import NTMServer

extension RouteTests {
  static let served = [ServedModel.copy, .repeatCopy, .mixed, .contentOnly, .overflowing]

  // MARK: Results

  @Test(arguments: Transport.allCases, ["copy", "repeat-copy", "mixed", "content only"])
  func stepsAreThoseOfTheModel(_ transport: Transport, _ name: String) async throws {
    try await withService(transport, .several) { client in
      let model = try #require(ModelPool.several[name])
      let id = try await client.makeSession(name)
      let direct = try DirectSession(model)
      for input in model.inputs(12) {
        #expect(
          try await client.step(id, input, returning: .all)
            == direct.step(input).with(.all, session: id))
      }
      #expect(try await client.get("/sessions/\(id)").object()["step"] as? Int == 12)
    }
  }

  @Test(arguments: Transport.allCases, ["copy", "mixed", "content only"])
  func severalInputsAreStepsInTheirOrder(_ transport: Transport, _ name: String) async throws {
    try await withService(transport, .several) { client in
      let model = try #require(ModelPool.several[name])
      let id = try await client.makeSession(name)
      let direct = try DirectSession(model)
      // Between single steps, and by ones: the two forms go together.
      for count in [1, 7, 0, 40] {
        let inputs = model.inputs(count, seed: UInt64(count))
        let response = try await client.post(
          "/sessions/\(id)/step", #"{"inputs": [\#(inputs.map(\.json).joined(separator: ", "))]}"#)
        #expect(response.status == 200)
        #expect(response.header("Content-Type") == "application/json")
        let results = try inputs.map { try direct.step($0).with(.standard, session: id) }
        #expect(try response.decoded() == StepResults(steps: results))
        let single = model.inputs(1, seed: UInt64(count) + 1)[0]
        #expect(
          try await client.step(id, single) == direct.step(single).with(.standard, session: id))
      }
    }
  }

  /// Numbers that are not zero or one: every float32 arrives as it was written.
  @Test(arguments: Transport.allCases)
  func inputsArriveBitForBit(_ transport: Transport) async throws {
    try await withService(transport, .several) { client in
      var generator = SplitMix(seed: 3)
      for model in [ServedModel.mixed, .repeatCopy] {
        let id = try await client.makeSession(model.name)
        let direct = try DirectSession(model)
        for _ in 0..<30 {
          let input = (0..<model.model.configuration.inputSize).map { _ in
            Float.random(in: -2...2, using: &generator)
          }
          #expect(
            try await client.step(id, input, returning: .all)
              == direct.step(input).with(.all, session: id))
        }
      }
    }
  }

  @Test(arguments: Transport.allCases)
  func aStepSaysWhatItIsAskedFor(_ transport: Transport) async throws {
    try await withService(transport, .several) { client in
      for model in [ServedModel.mixed, .contentOnly] {
        let id = try await client.makeSession(model.name)
        let direct = try DirectSession(model)
        // Every combination.
        for (raw, input) in model.inputs(64).enumerated() {
          let fields = StepResult.Fields(rawValue: raw)
          #expect(
            try await client.step(id, input, returning: fields)
              == direct.step(input).with(fields, session: id), "\(fields)")
        }
      }
    }
  }

  @Test(arguments: Transport.allCases)
  func withoutAChoiceThereAreOutputAndWeightings(_ transport: Transport) async throws {
    try await withService(transport, .several) { client in
      let id = try await client.makeSession("mixed")
      let response = try await client.post("/sessions/\(id)/step", #"{"input":[1,0,1]}"#)
      #expect(
        Set(try response.object().keys)
          == ["session", "step", "output", "read_weightings", "write_weightings"])
      // Order and repetition of the names are nothing.
      let repeated = try await client.post(
        "/sessions/\(id)/step",
        #"{"return":["heads","output","heads"],"input":[1,0,1]}"#)
      #expect(Set(try repeated.object().keys) == ["session", "step", "output", "heads"])
    }
  }

  /// One weighting for each head that reads and one for each that writes; a head that does both is
  /// in both lists.
  @Test(arguments: Transport.allCases)
  func aHeadThatReadsAndWritesIsInBothLists(_ transport: Transport) async throws {
    try await withService(transport, .several) { client in
      let id = try await client.makeSession("mixed")
      let result = try await client.step(id, [1, 0, 1], returning: .all)
      let reads = try #require(result.readWeightings)
      let writes = try #require(result.writeWeightings)
      #expect(reads.count == 2 && writes.count == 2)
      #expect(reads[0] == writes[0])
      #expect(reads[1] != writes[1])
      #expect(result.readVectors?.count == 2)
      for weighting in reads + writes {
        #expect(abs(weighting.reduce(0) { $0 + $1.value } - 1) < 1e-5)
      }
    }
  }

  @Test(arguments: Transport.allCases)
  func headsSayWhatTheyHave(_ transport: Transport) async throws {
    try await withService(transport, .several) { client in
      func heads(_ model: String, _ input: String) async throws -> [[String: Any]] {
        let id = try await client.makeSession(model)
        let response = try await client.post(
          "/sessions/\(id)/step", #"{"input":\#(input),"return":["heads"]}"#)
        return try #require(try response.object()["heads"] as? [[String: Any]])
      }
      let addressing: Set = ["type", "key", "strength", "gate", "shift", "sharpening"]
      let mixed = try await heads("mixed", "[1,0,1]")
      #expect(mixed.map { $0["type"] as? String } == ["read_write", "read", "write"])
      #expect(
        mixed.map { Set($0.keys) }
          == [addressing.union(["erase", "add"]), addressing, addressing.union(["erase", "add"])])
      #expect(mixed.map { ($0["shift"] as? [Double])?.count } == [3, 3, 3])
      #expect(mixed.map { ($0["key"] as? [Double])?.count } == [4, 4, 4])
      let simple = try await heads("content only", "[1,0]")
      #expect(simple.map { Set($0.keys) } == [["type", "key"], ["type", "key", "add"]])
    }
  }

  @Test(arguments: Transport.allCases)
  func noInputsAreNoSteps(_ transport: Transport) async throws {
    try await withService(transport) { client in
      let id = try await client.makeSession()
      let response = try await client.post("/sessions/\(id)/step", #"{"inputs":[]}"#)
      #expect(response.status == 200)
      #expect(response.text == #"{"steps":[]}"#)
      #expect(try await client.get("/sessions/\(id)").object()["step"] as? Int == 0)
    }
  }

  // MARK: Refusals

  @Test(
    arguments: Transport.allCases,
    [
      (
        body: #"{"input":[1,2,3,4,5,6,7,8]}"#, status: 422, kind: "wrong-size",
        detail: "input has 8 values; model 'copy' takes 9"
      ),
      (
        body: #"{"input":[]}"#, status: 422, kind: "wrong-size",
        detail: "input has 0 values; model 'copy' takes 9"
      ),
      (
        body: #"{"inputs":[[0,0,0,0,0,0,0,0,0],[0]]}"#, status: 422, kind: "wrong-size",
        detail: "inputs[1] has 1 values; model 'copy' takes 9"
      ),
      (
        body: #"{"input":[0,0,0,0,-1e39,0,0,0,0]}"#, status: 422, kind: "not-finite",
        detail: "input[4] is beyond the largest float32, 3.4028235e38"
      ),
      (
        body: #"{"inputs":[[0,0,0,0,0,0,0,0,1e400]]}"#, status: 422, kind: "not-finite",
        detail: "inputs[0][8] is beyond the largest float32, 3.4028235e38"
      ),
      (
        body: #"{"input":[0,0,"1",0,0,0,0,0,0]}"#, status: 400, kind: "malformed-request",
        detail: "input[2] is a string; a number is expected"
      ),
      (
        body: #"{"inputs":[[0,0,0,0,0,0,0,0,null]]}"#, status: 400, kind: "malformed-request",
        detail: "inputs[0][8] is null; a number is expected"
      ),
      (
        body: #"{"input":1}"#, status: 400, kind: "malformed-request",
        detail: "input is a number; a list of numbers is expected"
      ),
      (
        body: #"{"inputs":[0,0,0,0,0,0,0,0,0]}"#, status: 400, kind: "malformed-request",
        detail: "inputs[0] is a number; a list of numbers is expected"
      ),
      (
        body: #"{"inputs":{}}"#, status: 400, kind: "malformed-request",
        detail: "inputs is an object; a list is expected"
      ),
      (
        body: "{}", status: 400, kind: "malformed-request",
        detail: #"the body has neither "input" nor "inputs""#
      ),
      (
        body: #"{"input":[],"inputs":[]}"#, status: 400, kind: "malformed-request",
        detail: #"the body has both "input" and "inputs"; one is valid"#
      ),
      (
        body: #"{"input":[],"retrun":[]}"#, status: 400, kind: "malformed-request",
        detail:
          #"the body has an unknown field "retrun"; valid are input, inputs, step, return, weightings, encoding"#
      ),
      (
        body: #"{"inputs":[],"return":["outputs"]}"#, status: 400, kind: "malformed-request",
        detail:
          "return[0] is \"outputs\"; valid are input, output, read_weightings, write_weightings, "
          + "read_vectors, memory, heads"
      ),
      (
        body: #"{"inputs":[],"return":"output"}"#, status: 400, kind: "malformed-request",
        detail: "return is a string; a list is expected"
      ),
      (
        body: #"{"inputs":[],"return":["output",1]}"#, status: 400, kind: "malformed-request",
        detail: "return[1] is a number; a string is expected"
      ),
      (
        body: "", status: 400, kind: "malformed-request",
        detail: "the body is empty; JSON is expected"
      ),
      (
        body: "[[0]]", status: 400, kind: "malformed-request",
        detail: "the body is a list; an object is expected"
      ),
      (
        body: #"{"input":[0,0}"#, status: 400, kind: "malformed-request",
        detail: #"the body is not JSON: there is no "," at byte 13"#
      ),
    ])
  func aBadStepIsRefusedAndChangesNothing(
    _ transport: Transport, _ bad: (body: String, status: Int, kind: String, detail: String)
  ) async throws {
    try await withService(transport) { client in
      let id = try await client.makeSession()
      let direct = try DirectSession(.copy)
      let inputs = ServedModel.copy.inputs(2)
      _ = try await client.step(id, inputs[0])
      _ = try direct.step(inputs[0])
      try expectProblem(
        try await client.post("/sessions/\(id)/step", bad.body), bad.status, bad.kind,
        detail: bad.detail)
      #expect(
        try await client.step(id, inputs[1], returning: .all)
          == direct.step(inputs[1]).with(.all, session: id))
    }
  }

  @Test(arguments: Transport.allCases)
  func aWrongSizeSaysWhatIsExpected(_ transport: Transport) async throws {
    try await withService(transport) { client in
      let id = try await client.makeSession()
      try expectProblem(
        try await client.post("/sessions/\(id)/step", #"{"input":[1,2]}"#), 422, "wrong-size",
        fields: ["expected": .number(9), "got": .number(2)])
    }
  }

  /// Whichever of several inputs is bad, and whether it is seen before the steps or by them.
  @Test(
    arguments: Transport.allCases,
    [
      (
        third: "[0,0]", kind: "wrong-size",
        detail: "inputs[2] has 2 values; model 'overflowing' takes 1"
      ),
      (
        third: "[1e39]", kind: "not-finite",
        detail: "inputs[2][0] is beyond the largest float32, 3.4028235e38"
      ),
      (
        third: "[3e38]", kind: "not-finite",
        detail: "inputs[2]: the step would make the heads' parameters infinite or not a number"
      ),
    ])
  func severalInputsAreTakenAllOrNone(
    _ transport: Transport, _ bad: (third: String, kind: String, detail: String)
  ) async throws {
    try await withService(transport, .several) { client in
      let id = try await client.makeSession("overflowing")
      let direct = try DirectSession(.overflowing)
      _ = try await client.step(id, [0.5])
      _ = try direct.step([0.5])
      try expectProblem(
        try await client.post(
          "/sessions/\(id)/step", #"{"inputs":[[1],[0.25],\#(bad.third),[1]]}"#),
        422, bad.kind, detail: bad.detail)
      #expect(try await client.memory(id) == direct.memory)
      #expect(try await client.get("/sessions/\(id)").object()["step"] as? Int == 1)
      #expect(
        try await client.step(id, [1], returning: .all)
          == direct.step([1]).with(.all, session: id))
    }
  }

  @Test(arguments: Transport.allCases)
  func aSingleStepThatWouldNotBeFiniteIsRefused(_ transport: Transport) async throws {
    try await withService(transport, .several) { client in
      let id = try await client.makeSession("overflowing")
      let direct = try DirectSession(.overflowing)
      try expectProblem(
        try await client.post("/sessions/\(id)/step", #"{"input":[3e38]}"#), 422, "not-finite",
        detail: "the step would make the heads' parameters infinite or not a number")
      #expect(
        try await client.step(id, [1], returning: .all)
          == direct.step([1]).with(.all, session: id))
    }
  }

  @Test(arguments: Transport.allCases)
  func resultsLongerThanAReplyMayBeAreRefused(_ transport: Transport) async throws {
    let options = ServiceOptions.testing { $0.maxReply = 20_000 }
    try await withService(transport, .copy, options) { client in
      let id = try await client.makeSession()
      func post(_ count: Int, _ fields: String) async throws -> Response {
        let inputs = ServedModel.copy.inputs(count).map(\.json).joined(separator: ",")
        return try await client.post(
          "/sessions/\(id)/step", #"{"inputs":[\#(inputs)],"return":[\#(fields)]}"#)
      }
      let refused = try await post(200, #""memory""#)
      try expectProblem(
        refused, 422, "too-much", fields: ["expected": .number(1), "got": .number(200)])
      #expect(try await client.get("/sessions/\(id)").object()["step"] as? Int == 0)
      let few = try #require(try await post(200, #""output""#).object()["expected"] as? Int)
      #expect((2..<200).contains(few))
      let taken = try await post(few, #""output""#)
      #expect(taken.status == 200)
      #expect(taken.body.count <= 20_000)
      try expectProblem(try await post(few + 1, #""output""#), 422, "too-much")
      // A single step is always answered.
      #expect(try await post(1, #""memory","heads""#).status == 200)
      #expect(try await client.get("/sessions/\(id)").object()["step"] as? Int == few + 1)
    }
  }

  /// curl says that what it sends is a form.
  @Test(
    arguments: Transport.allCases,
    [
      "application/x-www-form-urlencoded", "text/plain", "application/json; charset=utf-8",
      "nonsense",
    ])
  func theContentTypeOfABodyIsNotLookedAt(_ transport: Transport, _ type: String) async throws {
    try await withService(transport, .several) { client in
      let id = try await client.makeSession("mixed")
      let response = try await client.send(
        "POST", "/sessions/\(id)/step", headers: [("Content-Type", type)],
        body: Array(#"{"input":[1,0,1]}"#.utf8))
      #expect(response.status == 200)
    }
  }

  // MARK: The copy task

  /// The model was trained to give back what was sent: no bit may be wrong.
  @Test(arguments: Transport.allCases, [1, 2, 5, 10, 20])
  func theCopyModelReturnsWhatWasSent(_ transport: Transport, _ length: Int) async throws {
    try await withService(transport) { client in
      for seed in 1...3 as ClosedRange<UInt64> {
        let id = try await client.makeSession()
        let sent = ServedModel.copy.inputs(length, seed: seed).map { Array($0.prefix(8)) }
        for bits in sent { _ = try await client.step(id, bits + [0]) }
        _ = try await client.step(id, [0, 0, 0, 0, 0, 0, 0, 0, 1])
        var returned: [[Float]] = []
        for _ in sent {
          let result = try await client.step(id, [Float](repeating: 0, count: 9))
          returned.append(try #require(result.output).map { $0.value > 0.5 ? 1 : 0 })
        }
        #expect(returned == sent)
      }
    }
  }
}
