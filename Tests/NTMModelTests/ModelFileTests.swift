import Foundation
import NTMTestSupport
import Testing

@testable import NTMModel

/// Model files: what is written and loaded is the same model, and whatever is wrong is named.
struct ModelFileTests {
  static func configuration(_ dialect: Dialect = Preset.pytorchNTM.dialect) -> Configuration {
    Configuration(
      inputSize: 3, outputSize: 2, memory: MemoryShape(rows: 6, columns: 4),
      controller: Controller(kind: .lstm, layers: 2, units: 5), heads: [.read, .write],
      dialect: dialect)
  }

  static func model(_ configuration: Configuration = configuration()) throws -> Model {
    var random = SplitMix64(seed: 3)
    return try Model(configuration, random: &random)
  }

  static let description = ModelFile.Description(
    task: "copy", source: "made up", training: "{\"seed\":1}", producer: "tests")

  static func loaded(_ model: Model) throws -> Model {
    let writer = try ModelFile(model: model, description: description).safeTensors()
    return try ModelFile(SafeTensorsFile(bytes: writer.bytes())).model
  }

  /// The states after twenty steps, in bits.
  static func run(_ model: Model) throws -> [UInt32] {
    var random = SplitMix64(seed: 8)
    var state = try model.makeState()
    var workspace = try model.makeWorkspace()
    var bits = state.values.map(\.bitPattern)
    for _ in 0..<20 {
      let input = random.values(model.configuration.inputSize, within: 1)
      try model.step(input.span, state: &state, workspace: &workspace)
      bits += state.values.map(\.bitPattern) + workspace.output.map(\.bitPattern)
    }
    return bits
  }

  // MARK: Round trips

  @Test(arguments: Preset.allCases)
  func presetsSurvive(_ preset: Preset) throws {
    let model = try Self.model(Self.configuration(preset.dialect))
    let folder = try TemporaryFolder()
    let path = "\(folder.path)/model.safetensors"
    try ModelFile(model: model, description: Self.description).safeTensors().write(to: path)
    let file = try ModelFile.load(path)
    #expect(file.description == Self.description)
    #expect(file.model.configuration == model.configuration)
    #expect(file.model.digest() == model.digest())
    #expect(file.model.parameterCount == model.parameterCount)
    #expect(try Self.run(file.model) == Self.run(model))
  }

  /// Some of its numbers may be of the old file and some of the new one.
  @Test func aFileThatIsWrittenToWhileItIsReadIsRefused() throws {
    let folder = try TemporaryFolder()
    let path = "\(folder.path)/model.safetensors"
    let writer = try ModelFile(model: Self.model(), description: Self.description).safeTensors()
    try writer.write(to: path)
    // Long ago, so that the clock of the file system has moved on.
    try FileManager.default.setAttributes(
      [.modificationDate: Date(timeIntervalSince1970: 1e9)], ofItemAtPath: path)
    let file = try SafeTensorsFile(path: path)
    _ = try ModelFile(file)
    try Data(writer.bytes()).write(to: URL(filePath: path))
    expectError(["was written to while it was read"]) { _ = try ModelFile(file) }
    #expect(try ModelFile.load(path).model.digest() == Self.model().digest())
  }

  @Test(arguments: UInt64(0)..<40)
  func randomModelsSurvive(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    let model = try Model(.random(&random), random: &random)
    let loaded = try Self.loaded(model)
    #expect(loaded.configuration == model.configuration)
    #expect(loaded.digest() == model.digest())
    for (a, b) in zip(model.tensors, loaded.tensors) {
      #expect(a.name == b.name && a.shape == b.shape)
      expectIdentical(a.values, b.values, "seed \(seed): \(a.name)")
    }
    #expect(loaded.tensors.count == model.tensors.count)
  }

  /// Constants take the place of start tensors, which the file then has not.
  @Test func constantsAreNotStored() throws {
    var configuration = Self.configuration()
    configuration.start = StartState(
      memory: .constant(1e-6), weightings: .constant(0), reads: .stored, hidden: .constant(0.5),
      cell: .constant(-0.5))
    let model = try Self.model(configuration)
    let bytes = try ModelFile(model: model, description: .init()).safeTensors().bytes()
    let names = try SafeTensorsFile(bytes: bytes).header.tensors.map(\.name)
    #expect(names.filter { $0.hasPrefix("start.") } == ["start.reads"])
    let state = try Self.loaded(model).makeState()
    #expect(state.values.prefix(24).allSatisfy { $0 == 1e-6 })
    #expect((Array(state.weighting(0)) + state.weighting(1)).allSatisfy { $0 == 0 })
    expectIdentical(state.read(0), model.tensors.first { $0.name == "start.reads" }!.values)
    #expect((Array(state.hidden(layer: 0)) + state.hidden(layer: 1)).allSatisfy { $0 == 0.5 })
    #expect((Array(state.cell(layer: 0)) + state.cell(layer: 1)).allSatisfy { $0 == -0.5 })
  }

  // MARK: Digest

  @Test func digestChangesWithEveryTensorAndTheConfiguration() throws {
    let model = try Self.model()
    var digests: Set<String> = [model.digest()]
    #expect(model.digest().count == 64)
    for changed in model.tensors {
      for index in [0, changed.values.count - 1] {
        let other = try Model(model.configuration) { name, _, range, destination in
          let values = model.tensors.first { $0.name == name }!.values
          for i in range {
            let isChanged = name == changed.name && i == index
            destination[i - range.lowerBound] = isChanged ? values[i].nextUp : values[i]
          }
        }
        #expect(digests.insert(other.digest()).inserted, "\(changed.name) [\(index)]")
      }
    }
    #expect(digests.count == 2 * model.tensors.count + 1)
    var configuration = model.configuration
    configuration.dialect.output.clip = 20
    #expect(digests.insert(try Self.model(configuration).digest()).inserted)
    configuration.dialect.addressing.shift = .taps([-1, 0, 1], activation: .softmax)
    #expect(digests.insert(try Self.model(configuration).digest()).inserted)
  }

  @Test func digestIgnoresTheDescription() throws {
    let model = try Self.model()
    let digests = try [Self.description, .init(), .init(task: "recall")].map { description in
      let writer = try ModelFile(model: model, description: description).safeTensors()
      return try ModelFile(SafeTensorsFile(bytes: writer.bytes())).model.digest()
    }
    #expect(Set(digests) == [model.digest()])
  }

  // MARK: What is refused

  /// A file's parts, to be changed before it is written.
  struct Parts {
    var metadata: [String: String]
    var tensors: [(name: String, shape: [Int], values: [Float])]

    init(_ model: Model) throws {
      let writer = try ModelFile(model: model, description: description).safeTensors()
      metadata = writer.metadata
      tensors = model.tensors.map { ($0.name, $0.shape, $0.values) }
    }

    func load() throws {
      var writer = SafeTensorsWriter(metadata: metadata)
      for tensor in tensors { writer.add(tensor.name, shape: tensor.shape, tensor.values) }
      _ = try ModelFile(SafeTensorsFile(bytes: writer.bytes()))
    }
  }

  @Test func missingTensorsAreNamed() throws {
    let parts = try Parts(Self.model())
    try parts.load()
    #expect(parts.tensors.count == 13)
    for index in parts.tensors.indices {
      var other = parts
      let removed = other.tensors.remove(at: index)
      expectError(["\"\(removed.name)\"", "missing"]) { try other.load() }
    }
  }

  @Test func misshapenTensorsAreNamed() throws {
    let parts = try Parts(Self.model())
    for (index, tensor) in parts.tensors.enumerated() {
      // As many values in another shape, and one row too many.
      var other = parts
      other.tensors[index].shape = tensor.shape + [1]
      expectError(["\"\(tensor.name)\"", "\(tensor.shape) is expected"]) { try other.load() }
      other.tensors[index].shape = tensor.shape
      other.tensors[index].shape[0] += 1
      other.tensors[index].values += Array(
        repeating: 0, count: tensor.values.count / tensor.shape[0])
      expectError(["\"\(tensor.name)\"", "\(tensor.shape) is expected"]) { try other.load() }
    }
  }

  @Test func valuesThatAreNotFiniteAreNamed() throws {
    let parts = try Parts(Self.model())
    for (index, tensor) in parts.tensors.enumerated() {
      var other = parts
      other.tensors[index].values[tensor.values.count - 1] = .nan
      expectError(["\"\(tensor.name)\"", "index \(tensor.values.count - 1)"]) { try other.load() }
    }
  }

  @Test(arguments: ["extra", "controller.2.weight", "start.other", "heads.weight.1"])
  func extraTensorsAreNamed(name: String) throws {
    var parts = try Parts(Self.model())
    parts.tensors.append((name, [1], [0]))
    expectError(["\"\(name)\"", "not part"]) { try parts.load() }
  }

  /// A feed-forward controller has no h and c, so a file has no tensors for them.
  @Test(arguments: ["start.hidden", "start.cell"])
  func startOfAnAbsentPartIsExtra(name: String) throws {
    var configuration = Self.configuration()
    configuration.controller = Controller(kind: .feedForward(activation: .tanh), units: 5)
    var parts = try Parts(Self.model(configuration))
    try parts.load()
    parts.tensors.append((name, [1, 5], [0, 0, 0, 0, 0]))
    expectError(["\"\(name)\"", "not part"]) { try parts.load() }
  }

  /// Nothing is allocated on a configuration's word: it is the tensors that must be there.
  @Test func hugeConfigurationWithoutTensorsNamesTheTensor() throws {
    var parts = try Parts(Self.model())
    parts.metadata["configuration"] = parts.metadata["configuration"]!.replacingOccurrences(
      of: "\"units\":5", with: "\"units\":16777216")
    expectError(["\"controller.0.weight\"", "is expected"]) { try parts.load() }
  }

  @Test(
    "Metadata that is refused",
    arguments: [
      ("format", nil, ["format", "ntm-model"]), ("format", "pt", ["format", "ntm-model"]),
      ("format_version", nil, ["format_version none", "1"]),
      ("format_version", "2", ["format_version 2", "1"]),
      ("configuration", nil, ["no configuration"]),
      ("configuration", "", ["configuration", "JSON"]),
      ("configuration", "{}", ["configuration", "input_size", "missing"]),
      ("configuration", "[]", ["configuration"]), ("configuration", "null", ["configuration"]),
      ("configuration", String(repeating: "[", count: 100_000), ["configuration"]),
    ] as [(String, String?, [String])])
  func refusesMetadata(field: String, value: String?, named: [String]) throws {
    var parts = try Parts(Self.model())
    parts.metadata[field] = value
    expectError(named) { try parts.load() }
  }

  @Test(
    "Configurations that are refused",
    arguments: [
      ("\"rows\":6", "\"rows\":0", ["memory.rows"]), ("\"rows\":6", "\"rows\":-6", ["memory.rows"]),
      ("\"rows\":6", "\"rows\":\(Int.max)", ["memory.rows"]),
      ("\"columns\":4", "\"columns\":\(Int.max)", ["memory.columns"]),
      ("\"layers\":2", "\"layers\":\(Int.max)", ["controller.layers"]),
      ("[\"read\",\"write\"]", "[\"write\"]", ["heads", "no head reads"]),
      ("[1,0,-1]", "[\(Int.min),0,-1]", ["shift.taps"]), ("[1,0,-1]", "[1,1,1]", ["shift.taps"]),
      ("\"input_size\"", "\"inputs\"", ["inputs", "unknown field"]),
    ] as [(String, String, [String])])
  func refusesConfigurations(old: String, new: String, named: [String]) throws {
    var parts = try Parts(Self.model())
    let json = try #require(parts.metadata["configuration"])
    #expect(json.contains(old))
    parts.metadata["configuration"] = json.replacingOccurrences(of: old, with: new)
    expectError(named) { try parts.load() }
  }

  @Test func loadGivesOneErrorType() throws {
    let folder = try TemporaryFolder()
    let path = "\(folder.path)/model"
    let error = #expect(throws: ModelFileError.self) { _ = try ModelFile.load(path) }
    #expect(error?.reason.contains("no such file") == true)
    try SafeTensorsTests.written().write(to: path)
    let other = #expect(throws: ModelFileError.self) { _ = try ModelFile.load(path) }
    #expect(other?.reason.contains("ntm import") == true)
  }

  // MARK: Fuzzing

  /// However a file is damaged, it loads or throws. What loads can be stepped.
  @Test(arguments: UInt64(0)..<8)
  func damagedFilesNeverTrap(seed: UInt64) throws {
    var configuration = Self.configuration()
    configuration.memory = MemoryShape(rows: 2, columns: 1)
    configuration.controller = Controller(kind: .lstm, units: 1)
    let valid = try ModelFile(model: Self.model(configuration), description: Self.description)
      .safeTensors().bytes()
    let header = Int(valid[0]) + Int(valid[1]) << 8 + 8
    var random = SplitMix64(seed: seed)
    var (loaded, refused) = (0, 0)
    for _ in 0..<500 {
      let bytes = Self.damaged(valid, header: header, &random)
      do {
        let model = try ModelFile(SafeTensorsFile(bytes: bytes)).model
        loaded += 1
        guard model.stateLayout.byteCount < 1 << 20 else { continue }
        var state = try model.makeState()
        var workspace = try model.makeWorkspace()
        let input = Array(repeating: Float(1), count: model.configuration.inputSize)
        try model.step(input.span, state: &state, workspace: &workspace)
      } catch is StepError {
      } catch {
        refused += 1
        #expect(!"\(error)".isEmpty)
      }
    }
    #expect(loaded > 20 && refused > 200, "\(loaded) loaded, \(refused) refused")
  }

  /// One to three small damages, every other of them to the header.
  private static func damaged(
    _ valid: [UInt8], header: Int, _ random: inout SplitMix64
  ) -> [UInt8] {
    var bytes = valid
    for _ in 0..<Int.random(in: 1...3, using: &random) {
      guard bytes.count > 20 else { break }
      let end = min(header, bytes.count - 1)
      let place = Int.random(in: random.chance(0.6) ? 0..<end : end..<bytes.count, using: &random)
      switch Int.random(in: 0..<12, using: &random) {
      case 0...2: bytes[place] = UInt8.random(in: 0...255, using: &random)
      case 3...5: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      case 6: bytes.remove(at: place)
      case 7: bytes.insert(random.pick(Array("0123456789-{}[]\",:e.".utf8)), at: place)
      case 8: bytes.removeSubrange(place..<min(place + 9, bytes.count))
      case 9: bytes.insert(contentsOf: bytes[place..<min(place + 9, bytes.count)], at: place)
      default:
        // A digit of the header becomes another: sizes, offsets and epsilons change.
        let digits = bytes.indices.filter { 8..<end ~= $0 && 48...57 ~= bytes[$0] }
        if let digit = digits.randomElement(using: &random) {
          bytes[digit] = UInt8.random(in: 48...57, using: &random)
        }
      }
    }
    return bytes
  }
}
