internal import Crypto

/// A session's state as a file: safetensors with `memory` [N, M], `weightings` [heads, N], `reads`
/// [R, M] and, of an LSTM, `hidden` and `cell` [layers, H].
///
/// Its metadata holds `format` ("ntm-state"), `format_version`, `model` (a name), `model_digest`,
/// `step` and `checksum`. A checksum is a SHA-256 over the digest, the step and all values, so that
/// nothing of a file can change by accident without being noticed.
public struct StateFile: Sendable {
  /// What the model was called where the state was saved.
  public let modelName: String
  /// `Model.digest()` of the model whose state it is.
  public let modelDigest: String
  /// Steps taken since the start state.
  public let step: Int
  private let file: SafeTensorsFile
  private let checksum: String

  static let format = "ntm-state"
  static let formatVersion = "1"
  /// The most steps that a session takes. JSON's numbers hold them exactly, and sums of such numbers
  /// don't overflow.
  package static let mostSteps = 1 << 52

  /// Why a file is not a state, or not one of the model at hand.
  public struct Damage: Error, CustomStringConvertible {
    public let description: String

    package init(_ description: String) { self.description = description }
  }

  // MARK: Writing

  /// The file of a state.
  ///
  /// - Parameter digest: that of the state's model
  public static func bytes(
    of state: borrowing State, step: Int, modelName: String, modelDigest digest: String
  ) -> [UInt8] {
    let values = state.values
    var writer = SafeTensorsWriter(metadata: [
      "format": format, "format_version": formatVersion, "model": modelName,
      "model_digest": digest, "step": String(step),
      "checksum": checksum(digest: digest, step: step, values),
    ])
    var first = 0
    for part in state.layout.storedParts {
      writer.add(
        part.name, shape: part.shape, Array(values[first..<first + part.valueCount]))
      first += part.valueCount
    }
    return writer.bytes()
  }

  private static func checksum(digest: String, step: Int, _ values: [Float]) -> String {
    var hash = SHA256()
    for part in [format, formatVersion, digest, String(step)] {
      hash.update(data: Array((part + "\n").utf8))
    }
    #if _endian(little)
      values.withUnsafeBytes { hash.update(bufferPointer: $0) }
    #else
      for value in values {
        withUnsafeBytes(of: value.bitPattern.littleEndian) { hash.update(bufferPointer: $0) }
      }
    #endif
    return hash.finalize().hexadecimal
  }

  // MARK: Reading

  /// Reads the form of a file; its values are read by `state(of:)`.
  ///
  /// - Throws: `Damage`.
  public init(_ bytes: [UInt8]) throws(Damage) {
    do throws(SafeTensorsError) {
      file = try SafeTensorsFile(bytes: bytes)
    } catch {
      throw Damage("it is not safetensors: \(error)")
    }
    let metadata = file.header.metadata
    guard metadata["format"] == Self.format, metadata["format_version"] == Self.formatVersion
    else {
      throw Damage(
        "its metadata does not say format \(Self.format), version \(Self.formatVersion)")
    }
    guard let digest = metadata["model_digest"], let checksum = metadata["checksum"] else {
      throw Damage("its metadata has no model_digest or no checksum")
    }
    guard let step = metadata["step"].flatMap(Int.init), 0...Self.mostSteps ~= step else {
      throw Damage(
        "its metadata has no step that is a number from 0 to \(Self.mostSteps)")
    }
    modelName = metadata["model"] ?? ""
    modelDigest = digest
    self.step = step
    self.checksum = checksum
  }

  /// The state, all of it checked.
  ///
  /// - Parameters:
  ///   - model: the one with the digest that the file names
  /// - Throws: `Damage` or `AllocationError`.
  public func state(of model: Model) throws -> State {
    let layout = model.stateLayout
    let names = Set(layout.storedParts.map(\.name))
    if let unknown = file.header.tensors.first(where: { !names.contains($0.name) }) {
      throw Damage("the tensor \(unknown.name) is not part of a state of this model")
    }
    var values: [Float] = []
    values.reserveCapacity(layout.valueCount)
    for part in layout.storedParts {
      do throws(SafeTensorsError) {
        try file.check(part.name, shape: part.shape)
        values += try file.values(part.name)
      } catch {
        throw Damage("\(error)")
      }
    }
    guard Self.checksum(digest: modelDigest, step: step, values) == checksum else {
      throw Damage("its checksum does not fit its content")
    }
    var state = try model.makeState()
    do throws(StateError) {
      try state.setValues(values.span)
    } catch {
      throw Damage("\(error)")
    }
    return state
  }
}

extension StateLayout {
  /// The parts that a model has: a feed-forward controller has no hidden state.
  fileprivate var storedParts: [Part] { parts.filter { $0.valueCount > 0 } }
}

extension Sequence<UInt8> {
  /// Two digits a byte.
  package var hexadecimal: String {
    map { byte in
      let digits = String(byte, radix: 16)
      return byte < 16 ? "0" + digits : digits
    }.joined()
  }
}
