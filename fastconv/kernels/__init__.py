"""The compiled room: drivers in Cython (loops, blocking, packing, threads) over register tiles and transforms in C.

    functional/  plan/                 check and allocate; call
      conv                             convolution, and its gradients
        layer  run                       a layer with its weights packed; the driver of its dataflow, run
        dataflow                         the choice
        correlation  channels            implicit im2col with pixels, or with output channels, in the lanes
        winograd  winograd_gradient      fewer multiplications: both gradients too, strided filters by their phases
          tiling  planes                   tiles of an image; planes as vectors of channels
        filters  depthwise               filters that each see one channel, and their gradients
        weight_product  weight_gradient  the gradient of the weights
      pool  fold  gemm  elementwise  softmax    the other drivers, a file a family
        slab  arrays                   what they share: padded copies of rows; pointers out of arrays
          runtime                      the table of kernels in use, the number of threads, working memory
            src/registry.def  src/kernels/*.c    the kernels, built once an instruction set and element type

Nothing here validates: every array is C-contiguous, aligned, of one dtype, and of the right shape. To add a kernel, add
one file to src/kernels, one line to src/registry.def, and its signature to runtime.pxd, for the drivers to call it.
"""
