import Foundation
import Testing

@testable import NTMServer

/// `POST /step`.
extension RouteTests {
  @Test(arguments: Transport.allCases)
  func manySessionsAdvanceInOneRequest(_ transport: Transport) async throws {
    try await withService(transport, .several) { client in
      let models = [ServedModel.copy, .mixed, .copy, .contentOnly]
      var sessions: [(id: String, direct: DirectSession, inputs: [[Float]])] = []
      for (index, model) in models.enumerated() {
        sessions.append(
          (
            try await client.makeSession(model.name), try DirectSession(model),
            model.inputs(5, seed: UInt64(index))
          ))
      }
      for step in 0..<5 {
        let items = sessions.map {
          #"{"session": "\#($0.id)", "input": \#($0.inputs[step].json)}"#
        }
        let fields = StepResult.Fields.all.json
        let response = try await client.post(
          "/step", #"{"steps": [\#(items.joined(separator: ","))], "return": \#(fields)}"#)
        #expect(response.status == 200, "\(response.text)")
        let expected = try sessions.map {
          try $0.direct.step($0.inputs[step]).with(.all, session: $0.id)
        }
        #expect(try response.decoded(StepResults.self).steps == expected)
      }
    }
  }

  /// Steps that are taken together give the bits of steps one by one, whatever is between them: other
  /// models, refusals, several inputs, the same session once more, one that is asked for again.
  @Test(arguments: Transport.allCases, [1, 2, 3])
  func stepsTakenTogetherAreThoseOneByOne(_ transport: Transport, _ seed: UInt64) async throws {
    try await withService(transport, .several) { client in
      var generator = SplitMix(seed: seed)
      var sessions: [(id: String, direct: DirectSession, model: ServedModel)] = []
      for index in 0..<40 {
        let model = [ServedModel.copy, .copy, .copy, .mixed][index % 4]
        sessions.append(
          (try await client.makeSession(model.name), try DirectSession(model), model))
      }
      for round in 0..<6 {
        var items: [String] = []
        var expected: [[StepResult]] = []
        for _ in 0..<70 {
          // At first each session once and in order, so that groups become full.
          let index =
            round == 0 ? items.count % 40 : Int.random(in: 0..<sessions.count, using: &generator)
          let session = sessions[index]
          let inputs = session.model.inputs(2, seed: generator.next())
          let step = session.direct.steps + 1
          switch Int.random(in: 0..<10, using: &generator) {
          case 0:
            items.append(#"{"session": "\#(session.id)", "input": [1]}"#)
            expected.append([])
          case 1:
            let list = inputs.map(\.json).joined(separator: ",")
            items.append(#"{"session": "\#(session.id)", "inputs": [\#(list)]}"#)
            expected.append(
              try inputs.map { try session.direct.step($0).with(.all, session: session.id) })
          case 2:
            let item =
              #"{"session": "\#(session.id)", "input": \#(inputs[0].json), "step": \#(step)}"#
            items += [item, item]
            let result = try session.direct.step(inputs[0]).with(.all, session: session.id)
            expected += [[result], [result]]
          default:
            items.append(#"{"session": "\#(session.id)", "input": \#(inputs[0].json)}"#)
            expected.append([try session.direct.step(inputs[0]).with(.all, session: session.id)])
          }
        }
        let response = try await client.post(
          "/step",
          #"{"steps": [\#(items.joined(separator: ","))], "return": \#(StepResult.Fields.all.json)}"#
        )
        let results = try #require(
          try JSONSerialization.jsonObject(with: Data(response.body)) as? [String: Any])
        let steps = try #require(results["steps"] as? [Any])
        #expect(steps.count == expected.count)
        for (step, expected) in zip(steps, expected) {
          let data = try JSONSerialization.data(withJSONObject: step)
          if expected.isEmpty {
            #expect((step as? [String: Any])?["status"] as? Int == 422)
          } else if let list = try? JSONDecoder.snakeCase.decode(StepResults.self, from: data) {
            #expect(list.steps == expected)
          } else {
            #expect(
              try JSONDecoder.snakeCase.decode(StepResult.self, from: data) == expected[0])
          }
        }
      }
    }
  }

  @Test(arguments: Transport.allCases)
  func eachStepHasAResultOrAProblemOfItsOwn(_ transport: Transport) async throws {
    try await withService(transport, .several) { client in
      let session = try await client.makeSession("copy")
      let ended = try await client.makeSession("copy")
      _ = try await client.delete("/sessions/\(ended)")
      let input = ServedModel.copy.inputs(1)[0].json
      let response = try await client.post(
        "/step",
        """
        {"return": ["output"], "steps": [
          {"session": "\(session)", "input": \(input)}, {"session": "\(ended)", "input": \(input)},
          {"session": "\(session)", "input": [1]}, {"input": \(input)}, 7,
          {"session": "\(session)", "input": \(input), "step": 9},
          {"session": "\(session)", "inputs": [\(input), \(input)], "return": []},
          {"session": "\(session)", "input": \(input), "step": 4, "return": ["output"]}]}
        """)
      #expect(response.status == 200)
      let steps = try #require(try response.object()["steps"] as? [[String: Any]])
      #expect(
        steps.map { $0["status"] as? Int } == [nil, 404, 422, 400, 400, 409, nil, nil])
      #expect(steps[0]["step"] as? Int == 1)
      #expect(steps[1]["reason"] as? String == "deleted")
      let id = response.header("X-Request-Id")
      #expect(
        steps.map { $0["request_id"] as? String } == [nil, id, id, id, id, id, nil, nil])
      #expect((steps[6]["steps"] as? [[String: Any]])?.map { $0["step"] as? Int } == [2, 3])
      #expect(steps[7]["step"] as? Int == 4)
    }
  }

  @Test(
    arguments: Transport.allCases,
    [
      "{}", "[]", #"{"steps": 1}"#, #"{"steps": [], "more": 1}"#,
      #"{"steps": [], "return": ["x"]}"#,
    ])
  func aBodyThatIsNoListOfStepsIsRefused(_ transport: Transport, _ body: String) async throws {
    try await withService(transport) { client in
      try expectProblem(try await client.post("/step", body), 400, "malformed-request")
    }
  }

  @Test(arguments: Transport.allCases)
  func aReplyThatWouldBeTooLongIsRefusedBeforeAStepIsTaken(_ transport: Transport) async throws {
    let options = ServiceOptions.testing { $0.maxReply = 10_000 }
    try await withService(transport, .copy, options) { client in
      let session = try await client.makeSession()
      let item = #"{"session": "\#(session)", "input": \#(ServedModel.copy.inputs(1)[0].json)}"#
      let items = Array(repeating: item, count: 4).joined(separator: ",")
      try expectProblem(try await client.post("/step", #"{"steps": [\#(items)]}"#), 422, "too-much")
      #expect(try await client.get("/sessions/\(session)").object()["step"] as? Int == 0)
    }
  }

  /// Refusals make a reply long as results do.
  @Test(arguments: Transport.allCases)
  func refusedStepsCountInTheReply(_ transport: Transport) async throws {
    let options = ServiceOptions.testing { $0.maxReply = 100_000 }
    try await withService(transport, .copy, options) { client in
      let steps = { (count: Int) in
        "[\(Array(repeating: "0", count: count).joined(separator: ","))]"
      }
      let refused = try await client.post("/step", #"{"steps": \#(steps(1000))}"#)
      try expectProblem(refused, 422, "too-much")
      let taken = try await client.post("/step", #"{"steps": \#(steps(100))}"#)
      #expect(taken.status == 200)
      #expect(taken.body.count < 100_000)
    }
  }
}
