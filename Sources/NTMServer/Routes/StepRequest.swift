#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif
import NTMModel

/// The body of `POST /sessions/{id}/step`.
struct StepRequest {
  /// x of each step to take.
  let inputs: [[Float]]
  /// Whether they came as `inputs`: the reply is a list then.
  let isList: Bool
  let fields: StepFields

  /// - Throws: `Problem` 400 where the body is not what it should be, 422 where an input has a
  ///   wrong size or a value that float32 does not have. Every input is checked.
  init(_ body: [UInt8], for model: ServedModel) throws(Problem) {
    let json = try RequestBody.decode(JSONBody.self, body)
    switch (json.input, json.inputs) {
    case (let input?, nil): (inputs, isList) = ([input], false)
    case (nil, let inputs?): (self.inputs, isList) = (inputs, true)
    case (nil, nil):
      throw Problem(.malformedRequest, "the body has neither \"input\" nor \"inputs\"")
    case (_?, _?):
      throw Problem(.malformedRequest, "the body has both \"input\" and \"inputs\"; one is valid")
    }
    fields = try json.fields.map(StepFields.init(names:)) ?? .standard
    for (index, input) in inputs.enumerated() {
      try Self.check(input, name: isList ? "inputs[\(index)]" : "input", for: model)
    }
  }

  /// One input of a line: an array, or an object with `input`.
  static func input(line: [UInt8], for model: ServedModel) throws(Problem) -> [Float] {
    let input = try RequestBody.decode(Line.self, line).input
    try check(input, name: "input", for: model)
    return input
  }

  private struct Line: Decodable {
    let input: [Float]

    private enum CodingKeys: String, CodingKey, CaseIterable { case input }

    init(from decoder: any Decoder) throws {
      if (try? decoder.container(keyedBy: CodingKeys.self)) != nil {
        input = try decoder.container(refusingAllBut: CodingKeys.self)
          .decode(Vector.self, forKey: .input).values
      } else {
        input = try Vector(from: decoder).values
      }
    }
  }

  private static func check(
    _ input: [Float], name: String, for model: ServedModel
  ) throws(Problem) {
    let expected = model.model.configuration.inputSize
    guard input.count == expected else {
      throw Problem(
        .wrongSize, "\(name) has \(input.count) values; model '\(model.name)' takes \(expected)",
        fields: ["expected": .number(expected), "got": .number(input.count)])
    }
    if let index = input.firstIndex(where: { !$0.isFinite }) {
      throw Problem(
        .notFinite, "\(name)[\(index)] is beyond the largest float32, 3.4028235e38")
    }
  }

  private struct JSONBody: Decodable {
    let input: [Float]?
    let inputs: [[Float]]?
    let fields: [String]?

    private enum CodingKeys: String, CodingKey, CaseIterable {
      case input, inputs
      case fields = "return"
    }

    init(from decoder: any Decoder) throws {
      let fields = try decoder.container(refusingAllBut: CodingKeys.self)
      input = try fields.decodeIfPresent(Vector.self, forKey: .input)?.values
      inputs = try fields.decodeIfPresent([Vector].self, forKey: .inputs)?.map(\.values)
      self.fields = try fields.decodeIfPresent([String].self, forKey: .fields)
    }
  }

  /// Numbers as float32; infinity for what is too large, so that the check can say where.
  private struct Vector: Decodable {
    let values: [Float]

    init(from decoder: any Decoder) throws {
      var list = try decoder.unkeyedContainer()
      var values: [Float] = []
      values.reserveCapacity(list.count ?? 0)
      while !list.isAtEnd { values.append(Float(try list.decode(Double.self))) }
      self.values = values
    }
  }
}

/// What a step's result says, by the names that `return` uses.
struct StepFields: OptionSet {
  let rawValue: Int

  static let output = StepFields(rawValue: 1 << 0)
  static let readWeightings = StepFields(rawValue: 1 << 1)
  static let writeWeightings = StepFields(rawValue: 1 << 2)
  static let readVectors = StepFields(rawValue: 1 << 3)
  static let memory = StepFields(rawValue: 1 << 4)
  static let heads = StepFields(rawValue: 1 << 5)

  static let standard: StepFields = [.output, .readWeightings, .writeWeightings]

  static let names: [(name: String, field: StepFields)] = [
    ("output", .output), ("read_weightings", .readWeightings),
    ("write_weightings", .writeWeightings), ("read_vectors", .readVectors), ("memory", .memory),
    ("heads", .heads),
  ]

  init(rawValue: Int) { self.rawValue = rawValue }

  /// - Throws: `Problem` 400 where a name is none.
  init(names: [String]) throws(Problem) {
    self = []
    for (index, name) in names.enumerated() {
      guard let known = Self.names.first(where: { $0.name == name }) else {
        let valid = Self.names.map(\.name)
        throw Problem(
          .malformedRequest,
          "return[\(index)] is \"\(name)\"; valid are \(valid.joined(separator: ", "))",
          fields: ["valid": .list(valid)])
      }
      insert(known.field)
    }
  }
}
