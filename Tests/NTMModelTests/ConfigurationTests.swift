import Foundation
import NTMTestSupport
import Testing

@testable import NTMModel

/// Configurations as JSON, and what of them is refused.
struct ConfigurationTests {
  static let paper = Configuration(
    inputSize: 9, outputSize: 8, memory: MemoryShape(rows: 128, columns: 20),
    controller: Controller(kind: .lstm, units: 100), heads: [.read, .write],
    dialect: Preset.pytorchNTM.dialect,
    start: StartState(
      memory: .stored, weightings: .constant(0), reads: .stored, hidden: .stored,
      cell: .constant(-0.25)))

  /// The same as a file has it.
  static let json = """
    {"input_size": 9, "output_size": 8, "memory": {"rows": 128, "columns": 20},
     "controller": {"type": "lstm", "layers": 1, "units": 100},
     "heads": ["read", "write"],
     "dialect": {
       "memory_order": "sequential",
       "addressing": {
         "key": "identity",
         "similarity": {"offset": 1e-16, "guard": "norm_floor", "epsilon": 1e-8},
         "strength": "softplus", "gate": "sigmoid",
         "shift": {"type": "taps", "taps": [1, 0, -1], "activation": "softmax"},
         "sharpening": {"activation": "softplus", "epsilon": 1e-16}},
       "write": {"erase": "sigmoid", "add": "identity"},
       "parameter_clip": null,
       "output": {"source": "hidden_and_reads", "activation": "sigmoid", "clip": null}},
     "start": {"memory": "stored", "weightings": 0, "reads": "stored", "hidden": "stored",
               "cell": -0.25}}
    """

  static func decode(_ json: String) throws -> Configuration {
    do {
      return try JSONDecoder().decode(Configuration.self, from: Data(json.utf8))
    } catch let error as DecodingError {
      throw Described(description: error.summary)
    }
  }

  struct Described: Error, CustomStringConvertible { let description: String }

  // MARK: JSON

  @Test func documentedFormDecodes() throws {
    #expect(try Self.decode(Self.json) == Self.paper)
  }

  @Test func encodesToTheDocumentedForm() throws {
    let encoded = try JSONSerialization.jsonObject(with: JSONEncoder().encode(Self.paper))
    let documented = try JSONSerialization.jsonObject(with: Data(Self.json.utf8))
    let (a, b) = (encoded as? NSDictionary, documented as? NSDictionary)
    #expect(a != nil && a?.count == b?.count)
    #expect(
      try Self.decode(String(decoding: JSONEncoder().encode(Self.paper), as: UTF8.self))
        == Self.decode(Self.json))
  }

  @Test(arguments: Preset.allCases)
  func presetsSurviveJSON(_ preset: Preset) throws {
    var configuration = Self.paper
    configuration.dialect = preset.dialect
    let json = String(decoding: try JSONEncoder().encode(configuration), as: UTF8.self)
    #expect(try Self.decode(json) == configuration)
    try configuration.validate()
  }

  @Test(arguments: UInt64(0)..<200)
  func randomConfigurationsSurviveJSON(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    let configuration = Configuration.random(&random)
    let json = String(decoding: try JSONEncoder().encode(configuration), as: UTF8.self)
    #expect(try Self.decode(json) == configuration, "\(json)")
    try configuration.validate()
  }

  /// An edit of the documented JSON, and what the error must name.
  typealias Edit = (old: String, new: String, named: [String])

  @Test(
    "JSON that is refused",
    arguments: [
      // Unknown fields, at every level
      ("\"input_size\"", "\"extra\": 1, \"input_size\"", ["extra", "unknown field"]),
      ("\"rows\"", "\"depth\": 1, \"rows\"", ["memory.depth", "unknown field"]),
      ("\"layers\"", "\"peepholes\": 1, \"layers\"", ["controller.peepholes", "unknown"]),
      ("\"memory_order\"", "\"x\": 1, \"memory_order\"", ["dialect.x", "unknown"]),
      ("\"key\"", "\"x\": 1, \"key\"", ["dialect.addressing.x", "unknown"]),
      ("\"offset\"", "\"x\": 1, \"offset\"", ["addressing.similarity.x", "unknown"]),
      ("\"taps\": [", "\"scale\": 1, \"taps\": [", ["shift.scale", "unknown"]),
      (
        "{\"activation\": \"softplus\"", "{\"x\": 1, \"activation\": \"softplus\"",
        ["sharpening.x", "unknown"]
      ),
      ("\"erase\"", "\"x\": 1, \"erase\"", ["dialect.write.x", "unknown"]),
      ("\"source\"", "\"x\": 1, \"source\"", ["dialect.output.x", "unknown"]),
      ("\"reads\": \"stored\"", "\"x\": 1, \"reads\": \"stored\"", ["start.x", "unknown"]),
      // Missing fields
      ("\"input_size\": 9,", "", ["input_size", "missing"]),
      ("\"rows\": 128, ", "", ["memory.rows", "missing"]),
      (", \"units\": 100", "", ["controller.units", "missing"]),
      ("\"heads\": [\"read\", \"write\"],", "", ["heads", "missing"]),
      ("\"parameter_clip\": null,", "", ["dialect.parameter_clip", "missing"]),
      ("\"gate\": \"sigmoid\",", "", ["dialect.addressing.gate", "missing"]),
      (", \"epsilon\": 1e-8", "", ["dialect.addressing.similarity.epsilon", "missing"]),
      ("\"taps\": [1, 0, -1], ", "", ["dialect.addressing.shift.taps", "missing"]),
      (", \"epsilon\": 1e-16}", "}", ["dialect.addressing.sharpening.epsilon", "missing"]),
      (", \"add\": \"identity\"", "", ["dialect.write.add", "missing"]),
      (", \"clip\": null", "", ["dialect.output.clip", "missing"]),
      ("\"hidden\": \"stored\",", "", ["start.hidden", "missing"]),
      ("\"type\": \"lstm\"", "\"type\": \"feed_forward\"", ["controller.activation", "missing"]),
      ("\"type\": \"taps\", ", "", ["dialect.addressing.shift.type", "missing"]),
      // Wrong types and values
      ("\"input_size\": 9", "\"input_size\": \"9\"", ["input_size", "Int"]),
      // Foundation's decoder keeps to itself where such a number is.
      ("\"input_size\": 9", "\"input_size\": 9.5", ["JSON"]),
      ("\"input_size\": 9", "\"input_size\": 1e300", ["JSON"]),
      ("\"rows\": 128", "\"rows\": [128]", ["memory.rows", "Int"]),
      ("{\"rows\": 128, \"columns\": 20}", "20", ["memory"]),
      ("[\"read\", \"write\"]", "[\"read\", \"erase\"]", ["heads[1]", "erase"]),
      ("\"type\": \"lstm\"", "\"type\": \"gru\"", ["controller.type", "gru"]),
      (
        "\"type\": \"lstm\"", "\"type\": \"lstm\", \"activation\": \"tanh\"",
        ["controller.activation"]
      ),
      ("\"sequential\"", "\"backwards\"", ["dialect.memory_order", "backwards"]),
      ("\"key\": \"identity\"", "\"key\": \"swish\"", ["dialect.addressing.key", "swish"]),
      ("\"norm_floor\"", "\"floor\"", ["dialect.addressing.similarity.guard", "floor"]),
      ("\"type\": \"taps\"", "\"type\": \"fft\"", ["dialect.addressing.shift.type", "fft"]),
      ("[1, 0, -1]", "[1, 0, \"x\"]", ["dialect.addressing.shift.taps[2]"]),
      ("\"weightings\": 0", "\"weightings\": \"zero\"", ["start.weightings", "stored"]),
      ("\"weightings\": 0", "\"weightings\": 1e99", ["start.weightings"]),
      ("\"parameter_clip\": null", "\"parameter_clip\": \"20\"", ["dialect.parameter_clip"]),
      // Null where something must be
      ("\"input_size\": 9", "\"input_size\": null", ["input_size", "null"]),
      ("\"key\": \"identity\"", "\"key\": null", ["dialect.addressing.key", "null"]),
      ("\"add\": \"identity\"", "\"add\": null", ["dialect.write.add", "null"]),
      ("\"source\": \"hidden_and_reads\"", "\"source\": null", ["dialect.output.source", "null"]),
      ("\"weightings\": 0", "\"weightings\": null", ["start.weightings"]),
      ("{\"type\": \"lstm\", \"layers\": 1, \"units\": 100}", "null", ["controller", "null"]),
      // Not JSON
      ("{\"input_size\"", "{{\"input_size\"", ["JSON"]),
    ] as [Edit])
  func refuses(edit: Edit) throws {
    #expect(Self.json.contains(edit.old), "nothing to replace")
    let json = Self.json.replacingOccurrences(of: edit.old, with: edit.new)
    expectError(edit.named) { _ = try Self.decode(json) }
  }

  /// Every stage that may be absent is null in JSON.
  @Test func absentStagesAreNull() throws {
    var json = Self.json
    for (old, new) in [
      ("\"strength\": \"softplus\"", "\"strength\": null"),
      ("\"gate\": \"sigmoid\"", "\"gate\": null"),
      ("{\"type\": \"taps\", \"taps\": [1, 0, -1], \"activation\": \"softmax\"}", "null"),
      ("{\"activation\": \"softplus\", \"epsilon\": 1e-16}", "null"),
      ("\"erase\": \"sigmoid\"", "\"erase\": null"),
    ] {
      #expect(json.contains(old))
      json = json.replacingOccurrences(of: old, with: new)
    }
    let dialect = try Self.decode(json).dialect
    #expect(dialect.addressing.strength == nil && dialect.addressing.gate == nil)
    #expect(dialect.addressing.shift == nil && dialect.addressing.sharpening == nil)
    #expect(dialect.write.erase == nil)
  }

  // MARK: Validation

  typealias Change = (label: String, field: String, change: @Sendable (inout Configuration) -> Void)

  static let outOfRange: [Change] = [
    ("no inputs", "input_size", { $0.inputSize = 0 }),
    ("negative inputs", "input_size", { $0.inputSize = -1 }),
    ("huge inputs", "input_size", { $0.inputSize = 1 << 25 }),
    ("no outputs", "output_size", { $0.outputSize = 0 }),
    ("no rows", "memory.rows", { $0.memory.rows = 0 }),
    ("huge rows", "memory.rows", { $0.memory.rows = .max }),
    ("no columns", "memory.columns", { $0.memory.columns = 0 }),
    ("huge columns", "memory.columns", { $0.memory.columns = .max }),
    ("no layers", "controller.layers", { $0.controller.layers = 0 }),
    ("65 layers", "controller.layers", { $0.controller.layers = 65 }),
    ("no units", "controller.units", { $0.controller.units = 0 }),
    ("huge units", "controller.units", { $0.controller.units = .max }),
    ("no heads", "heads", { $0.heads = [] }),
    ("257 heads", "heads", { $0.heads = Array(repeating: .read, count: 257) }),
    ("no head reads", "heads", { $0.heads = [.write, .write] }),
    ("negative offset", "similarity.offset", { $0.dialect.addressing.similarity.offset = -1 }),
    ("NaN offset", "similarity.offset", { $0.dialect.addressing.similarity.offset = .nan }),
    ("negative epsilon", "similarity.epsilon", { $0.dialect.addressing.similarity.epsilon = -1 }),
    (
      "infinite epsilon", "similarity.epsilon",
      { $0.dialect.addressing.similarity.epsilon = .infinity }
    ),
    (
      "negative sharpening epsilon", "sharpening.epsilon",
      { $0.dialect.addressing.sharpening?.epsilon = -1e-3 }
    ),
    (
      "sharpening that may blunt", "sharpening.activation",
      { $0.dialect.addressing.sharpening?.activation = .tanh }
    ),
    (
      "linear sharpening", "sharpening.activation",
      { $0.dialect.addressing.sharpening?.activation = .identity }
    ),
    ("no taps", "shift.taps", { $0.dialect.addressing.shift = .taps([], activation: .softmax) }),
    (
      "a tap twice", "shift.taps",
      { $0.dialect.addressing.shift = .taps([1, 0, 1], activation: .softmax) }
    ),
    (
      "huge taps", "shift.taps",
      { $0.dialect.addressing.shift = .taps([1 << 24], activation: .softmax) }
    ),
    (
      "the least tap", "shift.taps",
      { $0.dialect.addressing.shift = .taps([.min + 1], activation: .softmax) }
    ),
    (
      "1025 taps", "shift.taps",
      { $0.dialect.addressing.shift = .taps(Array(0...1024), activation: .softmax) }
    ),
    ("NaN scale", "shift.scale", { $0.dialect.addressing.shift = .continuous(scale: .nan) }),
    ("huge scale", "shift.scale", { $0.dialect.addressing.shift = .continuous(scale: 1e30) }),
    ("clip of 0", "parameter_clip", { $0.dialect.parameterClip = 0 }),
    ("negative clip", "parameter_clip", { $0.dialect.parameterClip = -20 }),
    ("infinite clip", "output.clip", { $0.dialect.output.clip = .infinity }),
    ("NaN start memory", "start.memory", { $0.start.memory = .constant(.nan) }),
    ("infinite start cell", "start.cell", { $0.start.cell = .constant(.infinity) }),
  ]

  @Test(arguments: outOfRange.indices)
  func refusesOutOfRange(index: Int) throws {
    let (label, field, change) = Self.outOfRange[index]
    var configuration = Self.paper
    try configuration.validate()
    change(&configuration)
    let error = #expect(throws: ConfigurationError.self, "\(label)") {
      try configuration.validate()
    }
    #expect(error?.field.hasSuffix(field) == true, "\(label): \(error?.description ?? "")")
    #expect(error.map { "\($0)".contains($0.field) } == true)
    // A model of it can't be made either.
    #expect(throws: ConfigurationError.self, "\(label)") {
      _ = try Model(configuration) { _, _, _, _ in }
    }
  }

  /// A number that has no absolute value is refused as any other, without a trap.
  @Test func bearsTheLeastInteger() {
    var configuration = Self.paper
    configuration.dialect.addressing.shift = .taps([.min], activation: .softmax)
    #expect(throws: ConfigurationError.self) { try configuration.validate() }
  }
}
