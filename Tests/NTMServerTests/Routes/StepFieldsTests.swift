import Foundation
import NTMModel
import Testing

@testable import NTMServer

struct StepFieldsTests {
  @Test(arguments: [nil, 1, 3, 1 << 32] as [Int?], [false, true])
  func comeBackFromAStore(_ top: Int?, _ isBase64: Bool) {
    for names in 0..<128 as Range<UInt8> {
      var fields = StepFields(names: .init(rawValue: names))
      fields.top = top
      fields.isBase64 = isBase64
      #expect(StepFields(rawValue: fields.rawValue) == fields)
    }
  }

  /// Stores have them from before there was more than names.
  @Test func namesAloneAreWhatTheyWere() {
    #expect(StepFields(rawValue: 0b111) == .standard)
    #expect(StepFields.standard.rawValue == 0b111)
  }

  /// The oracle sorts all rows.
  @Test(arguments: [1, 2, 3, 17, 128, 1000])
  func theLargestWeightsComeInOrder(_ size: Int) {
    var generator = SplitMix(seed: UInt64(size))
    for round in 0..<40 {
      // Many are equal, in every other round.
      let weighting = (0..<size).map { _ in
        round % 2 == 0
          ? Float.random(in: 0...1, using: &generator)
          : Float(Int.random(in: 0...3, using: &generator))
      }
      let sorted = weighting.indices.sorted {
        weighting[$0] > weighting[$1] || weighting[$0] == weighting[$1] && $0 < $1
      }
      for count in [1, 2, 5, size - 1, size, size + 1] where count > 0 {
        weighting.withUnsafeBufferPointer {
          LargestWeights.withRows(count, of: $0) { rows in
            #expect(Array(rows) == Array(sorted.prefix(count)))
          }
        }
      }
    }
  }

  @Test func base64IsFoundationsOwn() {
    var generator = SplitMix(seed: 64)
    for count in 0..<40 {
      let values = (0..<count).map { _ in
        Float(bitPattern: UInt32(truncatingIfNeeded: generator.next()))
      }
      var text = ByteBuffer()
      values.withUnsafeBufferPointer { text.appendArray($0, inBase64: true) }
      let bytes = values.flatMap { value in
        withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) }
      }
      #expect(
        String(decoding: text.bytes, as: UTF8.self) == "\"\(Data(bytes).base64EncodedString())\"")
      #expect(text.count == ByteBuffer.base64Count(count) + 2)
    }
  }
}

// MARK: In requests

extension RouteTests {
  /// What a result says in base64 is what another session of the same steps says in decimals.
  @Test(arguments: Transport.allCases, [true, false])
  func numbersInBase64AreTheSame(_ transport: Transport, _ isInQuery: Bool) async throws {
    try await withService(transport, .several) { client in
      for model in [ServedModel.mixed, .contentOnly, .copy] {
        let id = try await client.makeSession(model.name)
        let direct = try DirectSession(model)
        for input in model.inputs(3) {
          let expected = try direct.step(input)
          let names = StepResult.Fields.all.names
          let response =
            isInQuery
            ? try await client.post(
              "/sessions/\(id)/step?encoding=base64&return=\(names.joined(separator: ","))",
              #"{"input": \#(input.json)}"#)
            : try await client.post(
              "/sessions/\(id)/step",
              #"{"input": \#(input.json), "encoding": "base64", "return": \#(StepResult.Fields.all.json)}"#
            )
          #expect(response.status == 200, "\(response.text)")
          let result = try response.object()
          #expect(floats(result["output"]) == expected.output)
          #expect(floats(result["input"]) == expected.input)
          #expect(rows(result["read_weightings"]) == expected.readWeightings)
          #expect(rows(result["write_weightings"]) == expected.writeWeightings)
          #expect(rows(result["read_vectors"]) == expected.readVectors)
          #expect(rows(result["memory"]) == expected.memory)
          let heads = try #require(result["heads"] as? [[String: Any]])
          #expect(heads.map { floats($0["key"]) } == expected.heads?.map(\.key))
          #expect(heads.map { floats($0["erase"]) } == expected.heads?.map(\.erase))
        }
      }
    }
  }

  @Test(arguments: Transport.allCases, ["", "&encoding=base64"])
  func theLargestWeightsStandWithTheirRows(
    _ transport: Transport, _ encoding: String
  ) async throws {
    try await withService(transport, .several) { client in
      let id = try await client.makeSession("mixed")
      let direct = try DirectSession(.mixed)
      for (input, top) in zip(ServedModel.mixed.inputs(5), [1, 2, 3, 4, 1000]) {
        let expected = try direct.step(input)
        let response = try await client.post(
          "/sessions/\(id)/step?top=\(top)\(encoding)", #"{"input": \#(input.json)}"#)
        let result = try response.object()
        for (name, weightings) in [
          ("read_weightings", expected.readWeightings),
          ("write_weightings", expected.writeWeightings),
        ] {
          let heads = try #require(result[name] as? [[String: Any]])
          for (head, weighting) in zip(heads, try #require(weightings)) {
            let rows = try #require(head["rows"] as? [Int])
            #expect(rows.count == min(top, weighting.count))
            let weights = encoding.isEmpty ? exact(head["weights"]) : floats(head["weights"])
            #expect(weights == rows.map { weighting[$0] })
            let least = try #require(weights?.last).value
            let others = weighting.indices.filter { !rows.contains($0) }
            #expect(others.allSatisfy { weighting[$0].value <= least })
          }
        }
      }
    }
  }

  /// A body's choice goes before the query's, also in streams and for many sessions.
  @Test(arguments: Transport.allCases)
  func theFormOfResultsIsChosenEverywhere(_ transport: Transport) async throws {
    try await withService(transport) { client in
      let id = try await client.makeSession()
      let input = ServedModel.copy.inputs(1)[0].json
      let body = try await client.post(
        "/sessions/\(id)/step?top=3&encoding=base64",
        #"{"input": \#(input), "weightings": {"top": 2}, "encoding": "decimal"}"#
      ).object()
      let heads = try #require(body["read_weightings"] as? [[String: Any]])
      #expect((heads[0]["rows"] as? [Int])?.count == 2)
      #expect((heads[0]["weights"] as? [Any])?.count == 2)
      let line = try await client.send(
        "POST", "/sessions/\(id)/step?top=1&encoding=base64",
        headers: [("Content-Type", "application/x-ndjson")], body: Array("\(input)\n".utf8)
      ).object()
      #expect(line["output"] is String)
      #expect(((line["read_weightings"] as? [[String: Any]])?[0]["rows"] as? [Int])?.count == 1)
      let many = try await client.post(
        "/step",
        #"""
        {"encoding": "base64", "return": ["output"], "steps": [
          {"session": "\#(id)", "input": \#(input)},
          {"session": "\#(id)", "input": \#(input), "encoding": "decimal"}]}
        """#
      ).object()
      let steps = try #require(many["steps"] as? [[String: Any]])
      #expect(steps[0]["output"] is String)
      #expect(steps[1]["output"] is [Any])
    }
  }

  @Test(
    arguments: Transport.allCases,
    [
      (
        #""weightings": {"top": 0}"#, "",
        "weightings.top is 0; a whole number from 1 on is expected"
      ),
      (#""weightings": {}"#, "", #"weightings has no "top""#),
      (#""weightings": 3"#, "", "weightings is a number; an object is expected"),
      (
        #""weightings": {"most": 3}"#, "", #"weightings has an unknown field "most"; valid are top"#
      ),
      (#""encoding": "hex""#, "", #"encoding is "hex"; valid are decimal, base64"#),
      (#""encoding": 1"#, "", "encoding is a number; a string is expected"),
      (#""return": []"#, "?top=x", #"top is "x"; a whole number from 1 on is expected"#),
      (#""return": []"#, "?top=0", #"top is "0"; a whole number from 1 on is expected"#),
      (#""return": []"#, "?encoding=", #"encoding is ""; valid are decimal, base64"#),
    ])
  func aFormThatThereIsNotIsRefused(
    _ transport: Transport, _ bad: (field: String, query: String, detail: String)
  ) async throws {
    try await withService(transport) { client in
      let id = try await client.makeSession()
      let input = ServedModel.copy.inputs(1)[0].json
      try expectProblem(
        try await client.post(
          "/sessions/\(id)/step\(bad.query)", #"{"input": \#(input), \#(bad.field)}"#),
        400, "malformed-request", detail: bad.detail)
      #expect(try await client.get("/sessions/\(id)").object()["step"] as? Int == 0)
    }
  }
}

/// float32 from base64, read by Foundation.
private func floats(_ text: Any?) -> [Exact]? {
  guard let text = text as? String, let data = Data(base64Encoded: text) else { return nil }
  return stride(from: 0, to: data.count, by: 4).map { start in
    let bits = (0..<4).reduce(UInt32(0)) { $0 | UInt32(data[start + $1]) << (8 * UInt32($1)) }
    return Exact(Float(bitPattern: bits))
  }
}

private func rows(_ list: Any?) -> [[Exact]]? {
  (list as? [Any]).map { list in list.compactMap(floats) }
}

private func exact(_ list: Any?) -> [Exact]? {
  (list as? [NSNumber])?.map { Exact($0.floatValue) }
}
