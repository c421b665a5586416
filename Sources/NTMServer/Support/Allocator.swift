#if canImport(Glibc)
  import Glibc
#endif

/// Settings of the C library's allocator.
public enum Allocator {
  /// Makes the allocator return large blocks to the system when they are freed. It must be called
  /// before the process has threads. It does nothing where the C library is not glibc.
  ///
  /// glibc raises the size from which a block is mapped on its own to the largest one that was freed,
  /// up to 32 MiB. Long replies and bodies then stay in the arenas of the threads that had them.
  public static func returnLargeBlocks() {
    set(.mapThreshold, to: largeBlock)
  }

  /// Bytes from which a block is mapped on its own.
  private static let largeBlock = 1 << 20

  /// Numbers of malloc.h, which the module Glibc leaves out.
  private enum Parameter: Int32 {
    case mapThreshold = -3
  }

  private static func set(_ parameter: Parameter, to value: Int) {
    #if canImport(Glibc)
      typealias Function = @convention(c) (Int32, Int32) -> Int32
      guard let address = dlsym(nil, "mallopt") else { return }
      _ = unsafeBitCast(address, to: Function.self)(parameter.rawValue, Int32(value))
    #endif
  }
}
