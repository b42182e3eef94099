"""uma: unified memory arrays, MLX's API on any Linux machine.

``uma.core`` has the arrays, ``uma.nn`` the layers, ``uma.optimizers`` the optimizers, ``uma.utils`` the trees;
``uma.mlx`` lets a program written for MLX run on them unchanged.
"""
