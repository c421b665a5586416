import NTMModel

#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

/// A run as a file, from which it goes on bit for bit: safetensors with the parameters, the
/// optimiser's moments and both of the best validation; the rest is JSON in the metadata. Its
/// checksum covers the whole file.
public struct Checkpoint {
  public let setup: TrainingSetup
  let state: TrainingState
  let moments: [Float]

  static let format = "ntm-checkpoint"
  static let formatVersion = "2"
  /// The version whose files may have no checksum.
  static let uncheckedVersion = "1"

  init(setup: TrainingSetup, state: TrainingState, moments: [Float]) {
    self.setup = setup
    self.state = state
    self.moments = moments
  }

  public var task: any TrainingTask { setup.task }

  /// Reads a checkpoint.
  ///
  /// - Throws: `TrainingError` that says what is wrong with the file.
  public init(path: String) throws(TrainingError) {
    do {
      try self.init(SafeTensorsFile(path: path))
    } catch {
      throw TrainingError("\(path): \(error)")
    }
  }

  private init(_ file: SafeTensorsFile) throws {
    let metadata = file.header.metadata
    let version = metadata["format_version"]
    guard metadata["format"] == Self.format,
      version == Self.formatVersion || version == Self.uncheckedVersion
    else { throw TrainingError("is not a checkpoint of this version of `ntm train`") }
    // A damaged version must not turn the check off.
    if version != Self.uncheckedVersion || metadata["checksum"] != nil {
      try file.verifyChecksum()
    }
    func decode<Value: Decodable>(_ type: Value.Type, _ name: String) throws -> Value {
      do {
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
          positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        return try decoder.decode(type, from: Data((metadata[name] ?? "").utf8))
      } catch {
        throw TrainingError("its metadata has no valid \(name)")
      }
    }
    let configuration = try decode(Configuration.self, "configuration")
    try configuration.validate()
    let options = try decode(TrainingOptions.self, "options")
    try options.validate()
    let progress = try decode(TrainingState.Progress.self, "progress")
    guard progress.isPossible else { throw TrainingError("its metadata has no valid progress") }
    let task = try TaskKind.decode(name: metadata["task"], settings: metadata["task_settings"])
    setup = TrainingSetup(task: task, configuration: configuration, options: options)

    let count = ParameterLayout(configuration).count
    // Before memory is allocated on the configuration's word.
    try file.check("parameters", shape: [count])
    let parameters = try ParameterVector(zerosFor: configuration)
    let momentCount = Optimizer.momentCount(options.optimizer) * count
    func values(_ name: String, _ count: Int) throws -> [Float] {
      try [Float](unsafeUninitializedCapacity: count) { buffer, filled in
        try file.copy(name, shape: [count], to: buffer.baseAddress!)
        filled = count
      }
    }
    try file.copy("parameters", shape: [count], to: parameters.values)
    moments = try values("moments", momentCount)
    var state = TrainingState(progress: progress, parameters: parameters)
    if progress.bestRecord != nil {
      state.best = TrainingState.Snapshot(
        parameters: try values("best.parameters", count),
        moments: try values("best.moments", momentCount))
    }
    self.state = state
  }

  /// Writes the file; a reader never sees half of it.
  public func write(to path: String) throws { try encoded().write(to: path) }

  private func encoded() throws -> SafeTensorsWriter {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // A validation of a model that breaks down is a loss of infinity.
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    func json(_ value: some Encodable) throws -> String {
      String(decoding: try encoder.encode(value), as: UTF8.self)
    }
    var writer = SafeTensorsWriter(metadata: [
      "format": Self.format, "format_version": Self.formatVersion,
      "configuration": try json(setup.configuration), "options": try json(setup.options),
      "progress": try json(state.progress), "task": type(of: task).name,
      "task_settings": try json(task),
    ])
    writer.hasChecksum = true
    let parameters = UnsafeBufferPointer(
      start: state.parameters.values, count: state.parameters.layout.count)
    writer.add("parameters", shape: [parameters.count], Array(parameters))
    writer.add("moments", shape: [moments.count], moments)
    if let best = state.best {
      writer.add("best.parameters", shape: [best.parameters.count], best.parameters)
      writer.add("best.moments", shape: [best.moments.count], best.moments)
    }
    return writer
  }
}
