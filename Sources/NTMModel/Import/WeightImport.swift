/// Turns weights that other implementations trained into a model.
///
/// Their matrices are brought into the one canonical form (`Weights.Layout`, `HeadParameters`), and
/// everything in which the implementations differ becomes configuration.
public struct WeightImport {
  /// Whose names and layout a file of weights has.
  public enum Format: String, CaseIterable, Sendable {
    /// loudinthecloud/pytorch-ntm, by the names of its state dict.
    case pytorchNTM = "pytorch-ntm"
    /// MarkPKCollier/NeuralTuringMachine's own cell, by its TensorFlow variable names.
    case tensorflowNTM = "tensorflow-ntm"
    /// tf.contrib.rnn.NTMCell, by its TensorFlow variable names.
    case tensorflowContrib = "tensorflow-contrib"
    /// fumin/ntm: wh1, wy, wtm1, mtm1.
    case fumin
  }

  /// Recognises a format by the tensors' names.
  public static func format(of file: SafeTensorsFile) -> Format? {
    let names = file.header.tensors.map(\.name)
    func has(_ ending: String) -> Bool { names.contains { $0.hasSuffix(ending) } }
    if has("ntm.fc.weight") { return .pytorchNTM }
    if has("parameters_kernel") { return .tensorflowContrib }
    if has("init/fully_connected/weights") { return .tensorflowNTM }
    if has("wh1") && has("wy") { return .fumin }
    return nil
  }

  /// Imports a file of weights.
  ///
  /// - Parameters:
  ///   - file: the weights
  ///   - dialect: overrides what the file's metadata says or its format implies; needed where
  ///     pytorch-ntm's weights do not say by a `variant` of "head" or "legacy" which activations
  ///     they were trained with
  /// - Throws: `ImportError` or `SafeTensorsError`, naming the tensor that is missing or of an
  ///   unexpected shape.
  public static func model(
    from file: SafeTensorsFile, dialect: Preset? = nil
  ) throws -> ModelFile {
    guard let format = format(of: file) else {
      throw ImportError(
        "the tensors' names are of no known implementation; known are "
          + Format.allCases.map(\.rawValue).joined(separator: ", "))
    }
    let weights =
      switch format {
      case .pytorchNTM: try ImportedWeights(pytorchNTM: file, dialect: dialect)
      case .tensorflowNTM:
        try ImportedWeights(
          tensorflow: file, names: .own, dialect: (dialect ?? .tensorflowNTM).dialect)
      case .tensorflowContrib:
        try ImportedWeights(
          tensorflow: file, names: .contrib, dialect: (dialect ?? .tensorflowContrib).dialect)
      case .fumin: try ImportedWeights(fumin: file, dialect: (dialect ?? .fumin).dialect)
      }
    let metadata = file.header.metadata
    return ModelFile(
      model: try weights.model(),
      description: ModelFile.Description(
        task: metadata["task"], source: metadata["source"], training: metadata["training"]))
  }
}

/// Why weights can't be imported.
public struct ImportError: Error, CustomStringConvertible {
  public let description: String
  init(_ reason: String) { description = reason }
}

/// Weights on their way into canonical form.
struct ImportedWeights {
  var configuration: Configuration
  /// By their names in a model file, row-major.
  var tensors: [String: [Float]] = [:]

  func model() throws -> Model {
    try Model(configuration) { name, shape, range, destination in
      guard let values = tensors[name], values.count == shape.reduce(1, *) else {
        throw ImportError(
          "the weights give \(tensors[name]?.count ?? 0) values for \(name) of shape \(shape)")
      }
      values.withUnsafeBufferPointer { values in
        destination.update(from: values.baseAddress! + range.lowerBound, count: range.count)
      }
    }
  }

  mutating func set(_ name: String, weight: Matrix, bias: [Float]) {
    tensors["\(name).weight"] = weight.values
    tensors["\(name).bias"] = bias
  }

  /// tanh of stored start values, in double precision.
  static func tanh(_ values: [Float]) -> [Float] {
    values.map { Float(hyperbolicTangent(Double($0))) }
  }

  /// softmax of stored start values, in double precision.
  static func softmax(_ values: [Float]) -> [Float] {
    let largest = Double(values.max() ?? 0)
    let powers = values.map { exponential(Double($0) - largest) }
    let total = powers.reduce(0, +)
    return powers.map { Float($0 / total) }
  }
}
