// safetensors, the file format of weights and states (github.com/huggingface/safetensors): a
// little-endian 64-bit length, a JSON header of that length, then the tensors' bytes. The header maps
// each tensor's name to dtype, shape and the range of its bytes after the header; "__metadata__" maps
// strings to strings. The ranges cover the bytes without gap or overlap.

/// What is wrong with a safetensors file.
public struct SafeTensorsError: Error, Equatable, CustomStringConvertible {
  /// The tensor that is at fault, or nil for the file as a whole.
  public let tensor: String?
  public let reason: String

  init(tensor: String? = nil, _ reason: String) {
    self.tensor = tensor
    self.reason = reason
  }

  public var description: String {
    tensor.map { "tensor \"\($0)\" \(reason)" } ?? reason
  }
}

/// The header of a safetensors file.
public struct SafeTensorsHeader: Equatable, Sendable {
  public struct Tensor: Equatable, Sendable {
    public let name: String
    public let type: ElementType
    public let shape: [Int]
    /// Bytes of the file.
    let bytes: Range<Int>
    public var count: Int { shape.reduce(1, *) }
  }

  /// How a tensor's elements are stored.
  public enum ElementType: String, Sendable, Codable, CaseIterable {
    case f64 = "F64"
    case f32 = "F32"
    case f16 = "F16"
    case bf16 = "BF16"
    case i64 = "I64"
    case i32 = "I32"
    case i16 = "I16"
    case i8 = "I8"
    case u64 = "U64"
    case u32 = "U32"
    case u16 = "U16"
    case u8 = "U8"
    case bool = "BOOL"

    var byteCount: Int {
      switch self {
      case .f64, .i64, .u64: 8
      case .f32, .i32, .u32: 4
      case .f16, .bf16, .i16, .u16: 2
      case .i8, .u8, .bool: 1
      }
    }
  }

  /// In the order of their bytes.
  public let tensors: [Tensor]
  public let metadata: [String: String]

  public subscript(name: String) -> Tensor? { tensors.first { $0.name == name } }

  static let lengthSize = 8
  /// The reference implementation's bound on a header's length.
  static let maximumLength = 100_000_000
}
