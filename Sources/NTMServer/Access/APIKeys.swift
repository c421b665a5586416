internal import Crypto

#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The keys that requests may come with, from a file that has one on each line:
///
///     # who: key
///     alice: 3q2-7wXkqk0rAdWkPzJmYw
///
/// Each has a name, which the log shows in place of the key. Of the keys themselves only digests
/// are kept.
public final class APIKeys: Sendable {
  private let path: String
  private let names: Lock<Names>

  /// The name of each key by the key's digest. The time of a lookup says nothing about a key, because
  /// a client can't choose the digest of its key.
  private typealias Names = [SHA256Digest: String]

  /// Characters of the shortest key: what is shorter can be guessed.
  static let shortestKey = 16

  /// - Throws: `APIKeyError`, which says in which line the file is wrong, and not what is there.
  public init(path: String) throws(APIKeyError) {
    self.path = path
    names = Lock(try Self.read(path))
  }

  /// Reads the file again. If it is bad, the keys stay as they were.
  public func reload() throws(APIKeyError) {
    var file = stat()
    // Reading a pipe would block until a process writes to it.
    guard stat(path, &file) != 0 || file.st_mode & S_IFMT == S_IFREG else {
      throw APIKeyError("\(path): is not a regular file and can't be read again")
    }
    let new = try Self.read(path)
    names.withLock { $0 = new }
  }

  public var count: Int { names.withLock { $0.count } }

  /// Whether others than its owner can read the file.
  public var isReadableByOthers: Bool {
    var file = stat()
    return stat(path, &file) == 0 && file.st_mode & 0o044 != 0
  }

  /// The name of a key; nil if it is unknown. Digests are compared in constant time.
  func name(of key: String) -> String? {
    let digest = SHA256.hash(data: Array(key.utf8))
    return names.withLock { $0[digest] }
  }

  // MARK: The file

  private static func read(_ path: String) throws(APIKeyError) -> Names {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw APIKeyError("the file of keys, \(path), can't be read")
    }
    do throws(APIKeyError) {
      return try parse([UInt8](data))
    } catch {
      throw APIKeyError("\(path): \(error)")
    }
  }

  private static func parse(_ text: [UInt8]) throws(APIKeyError) -> Names {
    var names: Names = [:]
    var known: Set<String> = []
    for (number, line) in Lines(text) {
      let line = line.trimmed
      guard !line.isEmpty, line.first != UInt8(ascii: "#") else { continue }
      do throws(APIKeyError) {
        let (name, key) = try entry(line)
        guard known.insert(name).inserted else {
          throw APIKeyError("has a name that was there before: \(name)")
        }
        guard names.updateValue(name, forKey: SHA256.hash(data: key)) == nil else {
          throw APIKeyError("has a key that was there before")
        }
      } catch {
        throw APIKeyError("line \(number) \(error)")
      }
    }
    guard !names.isEmpty else { throw APIKeyError("there is no key; \(form)") }
    return names
  }

  private static let form = "a line is \"name: key\""

  private static func entry(
    _ line: ArraySlice<UInt8>
  ) throws(APIKeyError) -> (name: String, key: ArraySlice<UInt8>) {
    guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else {
      throw APIKeyError("has no colon; \(form)")
    }
    let name = line[..<colon].trimmed
    let key = line[(colon + 1)...].trimmed
    guard !name.isEmpty, name.allSatisfy(isNameByte) else {
      throw APIKeyError("has no valid name: letters, digits, hyphen, underscore and dot are valid")
    }
    // What RFC 6750 allows, so that every client can send it.
    guard key.allSatisfy({ isNameByte($0) || "~+/=".utf8.contains($0) }) else {
      throw APIKeyError("has a key with other characters than letters, digits and -._~+/=")
    }
    guard key.count >= shortestKey else {
      throw APIKeyError(
        "has a key of \(key.count) characters; the shortest that is taken has \(shortestKey)")
    }
    return (String(decoding: name, as: UTF8.self), key)
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    byte.isLetterOrDigit || "-._".utf8.contains(byte)
  }
}

/// Why a file of keys can't be used.
public struct APIKeyError: Error, CustomStringConvertible {
  public let description: String
  fileprivate init(_ reason: String) { description = reason }
}

/// The lines of a text, counted from 1. A line ends with LF, CR or CR LF.
private struct Lines: Sequence, IteratorProtocol {
  private let text: [UInt8]
  private var start = 0
  private var number = 0

  init(_ text: [UInt8]) { self.text = text }

  mutating func next() -> (number: Int, line: ArraySlice<UInt8>)? {
    guard start < text.count else { return nil }
    let isEnd: (UInt8) -> Bool = { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }
    let end = text[start...].firstIndex(where: isEnd) ?? text.count
    let line = text[start..<end]
    let isPair = text[end...].starts(with: "\r\n".utf8)
    start = end + (isPair ? 2 : 1)
    number += 1
    return (number, line)
  }
}

extension ArraySlice<UInt8> {
  /// Without spaces and tabs around it.
  fileprivate var trimmed: Self {
    let isSpace: (UInt8) -> Bool = { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
    guard let first = firstIndex(where: { !isSpace($0) }),
      let last = lastIndex(where: { !isSpace($0) })
    else { return [] }
    return self[first...last]
  }
}
