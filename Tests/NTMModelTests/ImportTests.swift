import Foundation
import NTMTestSupport
import Testing

@testable import NTMModel

/// What the importer refuses, and that a wrong dialect does not go unseen.
struct ImportTests {
  /// A file of weights, to be changed before it is imported.
  struct Weights {
    var metadata: [String: String]
    var tensors: [(name: String, shape: [Int], values: [Float])]

    init(_ path: String) throws {
      let file = try SafeTensorsFile(path: path)
      metadata = file.header.metadata
      tensors = try file.header.tensors.map { ($0.name, $0.shape, try file.values($0.name)) }
    }

    func load(_ dialect: Preset? = nil) throws -> Model {
      var writer = SafeTensorsWriter(metadata: metadata)
      for tensor in tensors { writer.add(tensor.name, shape: tensor.shape, tensor.values) }
      return try WeightImport.model(
        from: SafeTensorsFile(bytes: writer.bytes()), dialect: dialect
      ).model
    }

    func index(_ name: String) -> Int { tensors.firstIndex { $0.name == name }! }
  }

  /// A small state dict of pytorch-ntm.
  static func pytorch() throws -> Weights {
    try Weights("\(ReferenceFile.fixtureFolder)/rnd1_small_200steps.safetensors")
  }

  /// The weights of every trace, once each.
  static let files = ReferenceFile.all {
    $0.hasSuffix(".safetensors") && !$0.hasSuffix(".grad.safetensors")
  }

  // MARK: Formats

  @Test(arguments: files)
  func formatIsRecognised(_ file: ReferenceFile) throws {
    let expected: WeightImport.Format =
      switch file.path {
      case let path where path.contains("fumin"): .fumin
      case let path where path.contains("contrib"): .tensorflowContrib
      case let path where path.contains("tf_"): .tensorflowNTM
      default: .pytorchNTM
      }
    #expect(WeightImport.format(of: try SafeTensorsFile(path: file.path)) == expected)
  }

  @Test func unknownNamesAreRefused() throws {
    expectError(["no known implementation", "pytorch-ntm", "fumin"]) {
      let bytes = SafeTensorsTests.written().bytes()
      _ = try WeightImport.model(from: SafeTensorsFile(bytes: bytes))
    }
  }

  // MARK: Tensors

  /// Without any one of its tensors a file is refused by the name, but for the copies of the start
  /// memory that other objects of the state dict refer to.
  @Test(arguments: files)
  func missingTensorsAreNamed(_ file: ReferenceFile) throws {
    let weights = try Weights(file.path)
    for (index, tensor) in weights.tensors.enumerated()
    where !tensor.name.hasSuffix(".memory.mem_bias") {
      var other = weights
      other.tensors.remove(at: index)
      #expect(throws: (any Error).self, "without \(tensor.name)") { _ = try other.load() }
    }
  }

  @Test func missingTensorsOfPyTorchAreNamed() throws {
    let weights = try Self.pytorch()
    for name in [
      "ntm.controller.lstm.weight_hh_l0", "ntm.controller.lstm.bias_ih_l0", "ntm.fc.bias",
      "ntm.controller.lstm.bias_hh_l0", "ntm.heads.0.fc_read.bias", "ntm.heads.1.fc_write.bias",
      "ntm.read0_bias", "ntm.controller.lstm_h_bias", "ntm.controller.lstm_c_bias",
      "memory.mem_bias", "ntm.controller.lstm.weight_ih_l0",
    ] {
      var other = weights
      other.tensors.remove(at: other.index(name))
      expectError([name, "missing"], name) { _ = try other.load() }
    }
  }

  /// As many values in another shape would be read in a wrong order. (Where a vector is read, its
  /// shape does not matter, and the start memory's is what the others are measured by.)
  @Test(arguments: ReferenceFile.all { $0.hasSuffix("rnd1_small_200steps.safetensors") })
  func misshapenTensorsAreNamed(_ file: ReferenceFile) throws {
    let weights = try Weights(file.path)
    var count = 0
    for (index, tensor) in weights.tensors.enumerated() where tensor.name.contains("weight") {
      guard tensor.shape[0] != tensor.shape[1] else { continue }
      count += 1
      var other = weights
      other.tensors[index].shape.reverse()
      expectError([tensor.name], "\(tensor.name) transposed") { _ = try other.load() }
    }
    #expect(count == 5)
  }

  @Test func aliasesOfTheStartMemoryMustAgree() throws {
    var weights = try Self.pytorch()
    let index = try #require(
      weights.tensors.firstIndex { $0.name.hasSuffix(".memory.mem_bias") })
    let name = weights.tensors[index].name
    weights.tensors[index].values[3] += 1
    expectError([name, "memory.mem_bias"]) { _ = try weights.load() }
  }

  // MARK: Dialects

  @Test func activationsOfPyTorchMustBeKnown() throws {
    var weights = try Self.pytorch()
    #expect(weights.metadata["variant"] == "head")
    #expect(try weights.load().configuration.dialect == Preset.pytorchNTM.dialect)
    weights.metadata["variant"] = "legacy"
    #expect(try weights.load().configuration.dialect == Preset.pytorchNTM2017.dialect)
    for variant in [nil, "other"] {
      weights.metadata["variant"] = variant
      expectError(["pytorch-ntm", "pytorch-ntm-2017"]) { _ = try weights.load() }
      #expect(
        try weights.load(.pytorchNTM2017).configuration.dialect == Preset.pytorchNTM2017.dialect)
    }
  }

  /// Dialects whose heads have as many parameters, so that nothing but the numbers can tell.
  static let mistakes: [(file: ReferenceFile, wrong: Preset)] = TraceTests.traces.flatMap { file in
    let wrong: [Preset] =
      switch file.path {
      case let path where path.contains("fumin"): []
      case let path where path.contains("tf_"): [.pytorchNTM, .paper]
      case let path where path.contains("legacy"): [.pytorchNTM, .tensorflowNTM, .paper]
      // Its weightings collapse to nothing under either activations.
      case let path where path.contains("rnd9"): [.tensorflowNTM, .paper]
      default: [.pytorchNTM2017, .tensorflowNTM, .paper]
      }
    return wrong.map { (file, $0) }
  }

  /// A model under a wrong dialect deviates from its trace, so the traces would show it.
  @Test(arguments: mistakes.indices)
  func wrongDialectDeviates(index: Int) throws {
    let (file, wrong) = Self.mistakes[index]
    let trace = try JSONDecoder().decode(
      Trace.self, from: Data(contentsOf: URL(filePath: file.path)))
    let model = try WeightImport.model(
      from: SafeTensorsFile(path: "\(file.folder)/\(trace.model)"), dialect: wrong
    ).model
    var state = try model.makeState()
    var workspace = try model.makeWorkspace()
    var deviations = Deviations()
    do {
      for step in trace.steps.prefix(20) {
        try model.step(step.x.span, state: &state, workspace: &workspace)
        for head in step.record.w.indices {
          deviations.add(.weightings, state.weighting(head), step.record.w[head])
        }
        deviations.add(.output, workspace.output, step.output)
      }
    } catch StepError.nonFiniteResult {
      return
    }
    let isSeen = deviations.largest.contains { $0.value > 2 * trace.tolerance($0.key) }
    #expect(isSeen, "\(file.testDescription) as \(wrong): \(deviations)")
  }

  /// A dialect whose heads have other parameters can't be imported at all.
  @Test func dialectOfOtherParametersIsRefused() throws {
    let weights = try Self.pytorch()
    for dialect in [Preset.simple, .fumin] {
      expectError(["ntm.heads.0.fc_read.weight"]) { _ = try weights.load(dialect) }
    }
  }

  @Test func descriptionIsTakenOver() throws {
    var writer = SafeTensorsWriter(metadata: [
      "variant": "head", "task": "copy", "source": "somewhere", "training": "{}",
    ])
    for tensor in try Self.pytorch().tensors {
      writer.add(tensor.name, shape: tensor.shape, tensor.values)
    }
    let file = try WeightImport.model(from: SafeTensorsFile(bytes: writer.bytes()))
    #expect(file.description == .init(task: "copy", source: "somewhere", training: "{}"))
  }
}
