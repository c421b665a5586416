internal import Crypto

#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

/// A model with what its file says about it.
///
/// The file is safetensors. Its metadata holds `format` ("ntm-model"), `format_version`,
/// `configuration` (JSON, see `Configuration`), `producer`, and where they are known `task`,
/// `source` and `training` (JSON). Its tensors are the weights in canonical form (`Weights.Layout`)
/// and a tensor `start.memory`, `start.weightings`, `start.reads`, `start.hidden`, `start.cell` for
/// each part of the start state that the configuration calls stored.
public struct ModelFile: Sendable {
  public let model: Model
  public var description: Description

  /// What a file says beside the numbers.
  public struct Description: Equatable, Sendable {
    /// The task that the model was trained for, such as "copy".
    public var task: String?
    /// Where the weights come from.
    public var source: String?
    /// The training run as JSON: seed, sequences seen, figures reached.
    public var training: String?
    /// What wrote the file.
    public var producer: String?

    public init(
      task: String? = nil, source: String? = nil, training: String? = nil, producer: String? = nil
    ) {
      self.task = task
      self.source = source
      self.training = training
      self.producer = producer
    }
  }

  public init(model: Model, description: Description) {
    self.model = model
    self.description = description
  }

  /// The `format` of a model file's metadata.
  public static let format = "ntm-model"
  static let formatVersion = "1"
}

/// Why a file is not a model that can be run.
public struct ModelFileError: Error, CustomStringConvertible {
  public let reason: String
  public var description: String { reason }
}

extension ModelFile {
  /// Reads and checks a model file.
  ///
  /// - Throws: `ModelFileError`, which names the tensor or the field that is at fault.
  public static func load(_ path: String) throws(ModelFileError) -> ModelFile {
    do {
      return try ModelFile(SafeTensorsFile(path: path))
    } catch {
      throw ModelFileError(reason: "\(error)")
    }
  }

  /// - Throws: `SafeTensorsError`, `ConfigurationError`, `ModelFileError` or `AllocationError`.
  init(_ file: SafeTensorsFile) throws {
    let metadata = file.header.metadata
    guard metadata["format"] == Self.format else {
      throw ModelFileError(
        reason:
          "is not a model file (its metadata has no format \"\(Self.format)\"); weights of other "
          + "implementations are turned into one by `ntm import`")
    }
    guard metadata["format_version"] == Self.formatVersion else {
      throw ModelFileError(
        reason: "has format_version \(metadata["format_version"] ?? "none"); "
          + "this version reads \(Self.formatVersion)")
    }
    let configuration = try Self.configuration(metadata["configuration"])
    // All names and shapes, before memory is allocated on the configuration's word.
    let expected = Model.tensorShapes(of: configuration)
    let known = Set(expected.map(\.name))
    if let unknown = file.header.tensors.first(where: { !known.contains($0.name) }) {
      throw SafeTensorsError(tensor: unknown.name, "is not part of a model of this configuration")
    }
    for (name, shape) in expected { try file.check(name, shape: shape) }
    model = try Model(configuration) { name, shape, range, values in
      try file.copy(name, shape: shape, range: range, to: values)
    }
    try file.checkUnchanged()
    description = Description(
      task: metadata["task"], source: metadata["source"], training: metadata["training"],
      producer: metadata["producer"])
  }

  private static func configuration(_ json: String?) throws -> Configuration {
    guard let json else { throw ModelFileError(reason: "its metadata has no configuration") }
    let configuration: Configuration
    do {
      configuration = try JSONDecoder().decode(Configuration.self, from: Data(json.utf8))
    } catch let error as DecodingError {
      throw ModelFileError(reason: "configuration: \(error.summary)")
    }
    try configuration.validate()
    return configuration
  }

  /// The file's content, the same bytes for the same model and description.
  public func safeTensors() throws -> SafeTensorsWriter {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var metadata = [
      "format": Self.format, "format_version": Self.formatVersion,
      "configuration": String(
        decoding: try encoder.encode(model.configuration), as: UTF8.self),
    ]
    metadata["task"] = description.task
    metadata["source"] = description.source
    metadata["training"] = description.training
    metadata["producer"] = description.producer
    var writer = SafeTensorsWriter(metadata: metadata)
    for tensor in model.tensors { writer.add(tensor.name, shape: tensor.shape, tensor.values) }
    return writer
  }
}

extension Model {
  /// SHA-256 over configuration and numbers, in hexadecimal: two models with the same digest give
  /// the same results. What a file says beside them does not enter.
  public func digest() -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var hash = SHA256()
    // A validated configuration always encodes.
    hash.update(data: try! encoder.encode(configuration))
    for tensor in tensors {
      hash.update(data: Data("\(tensor.name)\(tensor.shape)".utf8))
      tensor.forEachChunk { hash.update(bufferPointer: UnsafeRawBufferPointer($0)) }
    }
    return hash.finalize().hexadecimal
  }
}
