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
  private let entries: Lock<[Entry]>

  private struct Entry: Sendable {
    let name: String
    let digest: SHA256Digest
  }

  /// Characters of the shortest key: what is shorter can be guessed.
  static let shortestKey = 16

  /// - Throws: `APIKeyError`, which says in which line the file is wrong, and not what is there.
  public init(path: String) throws(APIKeyError) {
    self.path = path
    entries = Lock(try Self.read(path))
  }

  /// Reads the file again. Where it is bad, the keys stay as they were.
  public func reload() throws(APIKeyError) {
    let new = try Self.read(path)
    entries.withLock { $0 = new }
  }

  public var count: Int { entries.withLock { $0.count } }

  /// Whether others than its owner can read the file.
  public var isReadableByOthers: Bool {
    var file = stat()
    return stat(path, &file) == 0 && file.st_mode & 0o044 != 0
  }

  /// Whose key this is; nil for none. It takes the same time for every key that is as long: digests
  /// are compared whole, and with all that there are.
  func name(of key: String) -> String? {
    let digest = SHA256.hash(data: Array(key.utf8))
    var name: String?
    for entry in entries.withLock({ $0 }) where entry.digest == digest { name = entry.name }
    return name
  }

  // MARK: The file

  private static func read(_ path: String) throws(APIKeyError) -> [Entry] {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw APIKeyError("the file of keys, \(path), can't be read")
    }
    do throws(APIKeyError) {
      return try parse(String(decoding: data, as: UTF8.self))
    } catch {
      throw APIKeyError("\(path): \(error)")
    }
  }

  private static func parse(_ text: String) throws(APIKeyError) -> [Entry] {
    var entries: [Entry] = []
    let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    for (index, line) in lines.enumerated() {
      let line = line.trimmed
      guard !line.isEmpty, !line.hasPrefix("#") else { continue }
      let entry: Entry
      do throws(APIKeyError) {
        entry = try Self.entry(line)
      } catch {
        throw APIKeyError("line \(index + 1) \(error)")
      }
      guard !entries.contains(where: { $0.name == entry.name }) else {
        throw APIKeyError("line \(index + 1) has a name that was there before: \(entry.name)")
      }
      guard !entries.contains(where: { $0.digest == entry.digest }) else {
        throw APIKeyError("line \(index + 1) has a key that was there before")
      }
      entries.append(entry)
    }
    guard !entries.isEmpty else { throw APIKeyError("there is no key; \(form)") }
    return entries
  }

  private static let form = "a line is \"name: key\""

  private static func entry(_ line: Substring) throws(APIKeyError) -> Entry {
    guard let colon = line.firstIndex(of: ":") else {
      throw APIKeyError("has no colon; \(form)")
    }
    let name = line[..<colon].trimmed
    let key = line[line.index(after: colon)...].trimmed
    guard !name.isEmpty, name.utf8.allSatisfy(isNameByte) else {
      throw APIKeyError("has no valid name: letters, digits, hyphen, underscore and dot are valid")
    }
    // What RFC 6750 allows, so that every client can send it.
    guard key.utf8.allSatisfy({ isNameByte($0) || "~+/=".utf8.contains($0) }) else {
      throw APIKeyError("has a key with other characters than letters, digits and -._~+/=")
    }
    guard key.utf8.count >= shortestKey else {
      throw APIKeyError(
        "has a key of \(key.utf8.count) characters; the shortest that is taken has \(shortestKey)")
    }
    return Entry(name: String(name), digest: SHA256.hash(data: Array(key.utf8)))
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

extension Substring {
  /// Without spaces and tabs around it.
  fileprivate var trimmed: Substring {
    let isSpace: (Character) -> Bool = { $0 == " " || $0 == "\t" }
    guard let first = firstIndex(where: { !isSpace($0) }),
      let last = lastIndex(where: { !isSpace($0) })
    else { return "" }
    return self[first...last]
  }
}
