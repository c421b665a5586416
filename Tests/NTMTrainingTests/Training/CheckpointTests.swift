import Foundation
import NTMModel
import Testing

@testable import NTMTraining

/// Files of runs, good and bad.
struct CheckpointTests {
  private let folder: TemporaryFolder
  private var path: String { folder.file("checkpoint") }

  init() throws { folder = try TemporaryFolder() }

  /// A run of some updates as a file.
  private func write(updates: Int = 6, _ rule: OptimizerRule = .adam) throws {
    let trainer = try Trainer(.tiny().with { $0.options.optimizer = rule }, threads: 1)
    try trainer.run(updates: updates)
    try trainer.checkpoint().write(to: path)
  }

  private func bytes() throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(filePath: path))) }

  private func replace(_ bytes: some Sequence<UInt8>) throws {
    try Data(bytes).write(to: URL(filePath: path))
  }

  @Test(arguments: OptimizerRule.allCases, [0, 3, 20])
  func holdsWhatTheRunHas(_ rule: OptimizerRule, _ updates: Int) throws {
    let setup = TrainingSetup.tiny().with { $0.options.optimizer = rule }
    let trainer = try Trainer(setup, threads: 1)
    try trainer.run(updates: updates)
    try trainer.checkpoint().write(to: path)
    let checkpoint = try Checkpoint(path: path)
    #expect(checkpoint.setup.configuration == setup.configuration)
    #expect(checkpoint.setup.options == setup.options)
    #expect(checkpoint.task as? Copy == setup.task as? Copy)
    let written = try bytes()
    try Trainer(checkpoint, threads: 1).checkpoint().write(to: path)
    #expect(try bytes() == written)
    // Before the first validation there is no best.
    let names = try SafeTensorsFile(path: path).header.tensors.map(\.name)
    let best = updates >= 5 ? ["best.moments", "best.parameters"] : []
    #expect(names.sorted() == best + ["moments", "parameters"])
  }

  // MARK: Bad files

  @Test func aFileThatIsNotThere() {
    expectError(TrainingError.self, "\(path): there is no such file") { try Checkpoint(path: path) }
  }

  @Test(arguments: ["", "nonsense", "\0\0\0\0\0\0\0\0", "a line\nand another that is longer\n"])
  func whatIsNoFileOfTensors(_ content: String) throws {
    _ = try folder.write("checkpoint", content)
    expectError(TrainingError.self, "\(path): ") { try Checkpoint(path: path) }
  }

  @Test func aModelFile() throws {
    let trainer = try Trainer(.tiny(), threads: 1)
    try ModelFile(model: trainer.model(), description: .init()).safeTensors().write(to: path)
    expectError(TrainingError.self, "\(path): is not a checkpoint of this version") {
      try Checkpoint(path: path)
    }
  }

  /// Cut off at every eighth of it, and right before its end.
  @Test func aTruncatedFile() throws {
    try write()
    let whole = try bytes()
    for length in (0..<8).map({ $0 * whole.count / 8 }) + [whole.count - 1] {
      try replace(whole.prefix(length))
      expectError(TrainingError.self, "\(path): ") { try Checkpoint(path: path) }
    }
    try replace(whole)
    _ = try Checkpoint(path: path)
  }

  /// Every byte of the header is changed, and some of each tensor.
  @Test func aChangedByteIsDetected() throws {
    try write()
    let whole = try bytes()
    let headerEnd = 8 + whole.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    var generator = RandomGenerator(seed: 1)
    let places = Array(0..<headerEnd) + stride(from: headerEnd, to: whole.count, by: 97)
    for place in places + [whole.count - 1] {
      var damaged = whole
      damaged[place] ^= UInt8(generator.integer(in: 1...255))
      try replace(damaged)
      expectError(TrainingError.self, "\(path): ") { try Checkpoint(path: path) }
    }
  }

  @Test func aDamagedTensorIsReportedAsSuch() throws {
    try write()
    var damaged = try bytes()
    damaged[damaged.count - 4] ^= 1
    try replace(damaged)
    expectError(
      TrainingError.self, "\(path): is damaged: its content does not match its checksum"
    ) { try Checkpoint(path: path) }
  }

  /// A byte of the version must not turn the check off.
  @Test func theChecksumOfAnEarlierVersionIsCheckedToo() throws {
    try write()
    let text = Array("\"format_version\":\"2\"".utf8)
    var damaged = try bytes()
    let place = try #require(damaged.firstRange(of: text))
    damaged[place.upperBound - 2] = UInt8(ascii: "1")
    try replace(damaged)
    expectError(TrainingError.self, "is damaged") { try Checkpoint(path: path) }
  }

  /// Checkpoints of format version 1 have none.
  @Test func anEarlierVersionNeedsNoChecksum() throws {
    try write()
    let now = try bytes()
    let file = try SafeTensorsFile(path: path)
    var metadata = file.header.metadata
    metadata["format_version"] = "1"
    metadata["checksum"] = nil
    try write(metadata, file, hasChecksum: false)
    try Trainer(Checkpoint(path: path), threads: 1).checkpoint().write(to: path)
    #expect(try bytes() == now)
  }

  @Test func thisVersionNeedsAChecksum() throws {
    try write()
    let file = try SafeTensorsFile(path: path)
    var metadata = file.header.metadata
    metadata["checksum"] = nil
    try write(metadata, file, hasChecksum: false)
    expectError(TrainingError.self, "is damaged") { try Checkpoint(path: path) }
  }

  /// One field of the metadata at a time.
  struct Change: Sendable, CustomTestStringConvertible {
    let field: String
    let old: String?
    let new: String?
    let message: String
    var testDescription: String { "\(field): \(new ?? "none")" }

    init(_ field: String, _ old: String? = nil, _ new: String? = nil, _ message: String) {
      self.field = field
      self.old = old
      self.new = new
      self.message = message
    }
  }

  private static let changes = [
    Change("format", nil, nil, "is not a checkpoint of this version"),
    Change("format", "ntm-checkpoint", "ntm-model", "is not a checkpoint of this version"),
    Change("format_version", "2", "3", "is not a checkpoint of this version"),
    Change("configuration", nil, nil, "no valid configuration"),
    Change("configuration", "{", "[", "no valid configuration"),
    Change("configuration", "\"rows\":8", "\"rows\":0", "memory.rows"),
    Change("configuration", "\"rows\":8", "\"rows\":9", "parameters"),
    Change("configuration", "\"rows\":8", "\"rows\":1073741824", "parameters"),
    Change("options", nil, nil, "no valid options"),
    Change("options", "\"batch\":4", "\"batch\":-4", "batch is -4"),
    Change("options", "\"batch\":4", "\"batch\":\"4\"", "no valid options"),
    Change("options", "\"adam\"", "\"adagrad\"", "no valid options"),
    Change("options", "\"adam\"", "\"rmsprop\"", "moments"),
    Change("progress", nil, nil, "no valid progress"),
    Change("progress", "\"history\":[", "\"history\":[1,", "no valid progress"),
    Change("task", nil, nil, "no task without a name"),
    Change("task", "copy", "paste", "no task 'paste'"),
    Change("task_settings", "\"bits\":2", "\"bits\":-2", "bits is -2"),
    Change("task_settings", "\"bits\":2", "\"bits\":3", "4 inputs and 3 outputs"),
    Change("task_settings", "\"least\":1", "\"least\":7", "length is 7-2"),
    Change("task_settings", "{", "", "the settings of task copy"),
  ]

  @Test(arguments: changes)
  func badMetadata(_ change: Change) throws {
    try write()
    let file = try SafeTensorsFile(path: path)
    var metadata = file.header.metadata
    let value = try #require(metadata[change.field])
    if let old = change.old, let new = change.new {
      #expect(value.contains(old))
      metadata[change.field] = value.replacing(old, with: new)
    } else {
      metadata[change.field] = nil
    }
    try write(metadata, file)
    expectError(TrainingError.self, change.message) {
      // Whether the task fits is found when the run goes on.
      try Trainer(Checkpoint(path: path), threads: 1)
    }
  }

  private func write(
    _ metadata: [String: String], _ file: SafeTensorsFile, without: String = "",
    hasChecksum: Bool = true
  ) throws {
    var writer = SafeTensorsWriter(metadata: metadata)
    writer.hasChecksum = hasChecksum
    for tensor in file.header.tensors where tensor.name != without {
      writer.add(tensor.name, shape: tensor.shape, try file.values(tensor.name))
    }
    try writer.write(to: path)
  }

  @Test(arguments: ["parameters", "moments", "best.parameters", "best.moments"])
  func aMissingTensor(_ name: String) throws {
    try write()
    let file = try SafeTensorsFile(path: path)
    try write(file.header.metadata, file, without: name)
    expectError(TrainingError.self, path, name, "is missing") { try Checkpoint(path: path) }
  }

  @Test(arguments: ["parameters", "moments", "best.parameters", "best.moments"])
  func aTensorThatIsTooShort(_ name: String) throws {
    try write()
    let file = try SafeTensorsFile(path: path)
    var writer = SafeTensorsWriter(metadata: file.header.metadata)
    writer.hasChecksum = true
    for tensor in file.header.tensors {
      let values = try file.values(tensor.name)
      let kept = tensor.name == name ? Array(values.dropLast()) : values
      writer.add(tensor.name, shape: [kept.count], kept)
    }
    try writer.write(to: path)
    expectError(TrainingError.self, path, name, "has the shape") { try Checkpoint(path: path) }
  }

  @Test func aPlaceThatCanNotBeWritten() throws {
    let trainer = try Trainer(.tiny(), threads: 1)
    #expect(throws: (any Error).self) {
      try trainer.checkpoint().write(to: folder.file("none/checkpoint"))
    }
  }
}
